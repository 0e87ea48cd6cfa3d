package main

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// originCount is the number of origins; a target belongs to one of them by its
// hash.
const originCount = 3

// site is the tree of Go source that the origins serve. Its file sizes happen
// to be spread like the answers of a web server of the day: half below 3 kB, a
// few in the megabytes.
type site struct {
	root  string
	files []string // sorted by slash path, relative to root
}

// openSite lists the regular *.go files below root. The root itself may be a
// symbolic link, as GOROOT often is.
func openSite(ctx context.Context, root string) (*site, error) {
	resolved, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, err
	}
	s := &site{root: resolved}
	err = fs.WalkDir(os.DirFS(resolved), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil && entry.Type().IsRegular() && strings.HasSuffix(path, ".go") {
			s.files = append(s.files, path)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(s.files) == 0 {
		return nil, fmt.Errorf("%s: no *.go file in it", root)
	}
	slices.Sort(s.files)
	return s, nil
}

// file returns the file that stands for a target: it is chosen by number, so no
// text of a request becomes a file name.
func (s *site) file(target string) string {
	n := fnv1a64(target) % uint64(len(s.files))
	return filepath.Join(s.root, filepath.FromSlash(s.files[n]))
}

// keepable reports whether the gateway may cache the answer to a key. The
// answer for a missing file is a short text, and a file that is gone is an
// error.
func (s *site) keepable(key cacheKey) bool {
	if key.missing {
		return true
	}
	info, err := os.Stat(s.file(key.target))
	return err == nil && info.Size() <= maxCachedBody
}

// origin serves the whole site over HTTP.
type origin struct {
	site     *site
	seal     seal
	requests atomic.Int64 // of the replayer, passed on by the gateway
}

// ServeHTTP lets the wish for a 404 win over everything else: it stands for a
// file that was missing in the log.
func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if o.seal.on(r.Header) {
		o.requests.Add(1)
	}
	switch {
	case o.seal.fileMissing(r.Header):
		http.NotFound(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
	default:
		o.serveFile(w, r)
	}
}

// serveFile sets the type itself. To guess it would mean to read the file
// twice, and the tables of MIME types differ between machines.
func (o *origin) serveFile(w http.ResponseWriter, r *http.Request) {
	file, err := os.Open(o.site.file(r.RequestURI))
	if err != nil {
		http.Error(w, "the file is gone", http.StatusInternalServerError)
		return
	}
	defer func() { _ = file.Close() }()
	w.Header().Set("Content-Type", textPlain)
	http.ServeContent(w, r, "", time.Time{}, file)
}
