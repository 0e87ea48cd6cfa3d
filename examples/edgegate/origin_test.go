package main

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newSite makes a docroot of the given files.
func newSite(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return root
}

var threeFiles = map[string]string{"a.go": "package a\n", "a/z.go": "package z // longer\n", "b/c/d.go": "package d // the longest\n"}

func TestOpenSite(t *testing.T) {
	root := newSite(t, map[string]string{
		"b.go": "", "a/b.go": "", "a.go": "", "a/b/c.go": "", "notes.txt": "", "a/go": "", "d.go/e.go": "",
	})
	require.NoError(t, os.Symlink(filepath.Join(root, "b.go"), filepath.Join(root, "link.go")))
	want := []string{"a.go", "a/b.go", "a/b/c.go", "b.go", "d.go/e.go"}

	s, err := openSite(t.Context(), root)
	require.NoError(t, err)
	assert.Equal(t, want, s.files, "regular files, by slash path")

	link := filepath.Join(t.TempDir(), "root")
	require.NoError(t, os.Symlink(root, link))
	s, err = openSite(t.Context(), link)
	require.NoError(t, err)
	assert.Equal(t, want, s.files, "the root may be a link")
}

func TestOpenSiteRefuses(t *testing.T) {
	_, err := openSite(t.Context(), filepath.Join(t.TempDir(), "nowhere"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = openSite(t.Context(), t.TempDir())
	require.ErrorContains(t, err, "no *.go file")
	file := filepath.Join(t.TempDir(), "x.txt")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = openSite(t.Context(), file)
	require.Error(t, err)
}

func TestGoSource(t *testing.T) {
	root, err := goSource(t.Context())
	require.NoError(t, err)
	s, err := openSite(t.Context(), root)
	require.NoError(t, err)
	assert.Greater(t, len(s.files), 5000)
	assert.True(t, slices.IsSorted(s.files))

	t.Setenv("GOROOT", "/somewhere")
	root, err = goSource(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "/somewhere/src", root)

	t.Setenv("GOROOT", "")
	t.Setenv("PATH", "")
	_, err = goSource(t.Context())
	require.ErrorContains(t, err, "name a directory")
}

// reply is an answer that has been read.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends one request to a handler without a network. The target goes in as
// it would arrive on the wire.
func ask(h http.Handler, method, target string, header http.Header) reply {
	r := httptest.NewRequest(method, target, http.NoBody)
	maps.Copy(r.Header, header)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return reply{w.Code, w.Header(), w.Body.String()}
}

func sealed(s seal, more ...string) http.Header {
	h := http.Header{}
	s.stamp(h)
	for i := 0; i < len(more); i += 2 {
		h.Set(more[i], more[i+1])
	}
	return h
}

func TestOriginServesFilesByNumber(t *testing.T) {
	s, err := openSite(t.Context(), newSite(t, threeFiles))
	require.NoError(t, err)
	o := &origin{site: s, seal: newSeal()}
	for _, target := range []string{"/", "/x", "/index.html", "/a/../b", "/%2e%2e/a", "/q?x=1", "/q?x=2"} {
		want := threeFiles[s.files[fnv1a64(target)%3]]
		get := ask(o, "GET", target, nil)
		assert.Equal(t, http.StatusOK, get.status)
		assert.Equal(t, want, get.body, target)
		head := ask(o, "HEAD", target, nil)
		assert.Equal(t, get.header.Get("Content-Length"), head.header.Get("Content-Length"))
		assert.Empty(t, head.body)
	}
	assert.Zero(t, o.requests.Load(), "only the replayer's requests are counted")
	ask(o, "GET", "/", sealed(o.seal))
	assert.EqualValues(t, 1, o.requests.Load())
}

func TestOriginStatuses(t *testing.T) {
	s, err := openSite(t.Context(), newSite(t, threeFiles))
	require.NoError(t, err)
	o := &origin{site: s, seal: newSeal()}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "M-SEARCH", "get"} {
		r := ask(o, method, "/x", nil)
		assert.Equal(t, http.StatusMethodNotAllowed, r.status, method)
		assert.Equal(t, "GET, HEAD", r.header.Get("Allow"))
	}
	missing := []string{headerMissing, "1"}
	assert.Equal(t, http.StatusNotFound, ask(o, "GET", "/x", sealed(o.seal, missing...)).status)
	assert.Equal(t, http.StatusOK, ask(o, "GET", "/x", sealed("guess", missing...)).status, "not without the seal")
	assert.Equal(t, http.StatusOK, ask(o, "GET", "/x", http.Header{headerMissing: {"1"}}).status)

	require.NoError(t, os.RemoveAll(s.root))
	assert.Equal(t, http.StatusInternalServerError, ask(o, "GET", "/x", nil).status)
}
