package idgen

import "path/filepath"

// FileStore is a NodeStore for the processes of one host: a directory with a
// file lock and a small file that is replaced atomically. It needs Unix;
// elsewhere NewFileStore returns errors.ErrUnsupported. All methods may be
// called concurrently. The directory must be on a local file system, and its
// files must not be deleted while numbers are in use.
//
// A call takes the lock, for which it waits as long as ctx allows, writes the
// new state to a temporary name, syncs it to the disk and renames it: a process
// that is killed at any point leaves the old or the new state and no lock. A
// state that cannot be read is an error, never an empty registry. Reservations
// end by the wall clock, the one that processes share.
type FileStore struct {
	_   [0]func() // not comparable
	dir string
}

// newFileStore checks the directory, and makes it independent of later changes
// of the working directory.
func newFileStore(dir string) (*FileStore, error) {
	if dir == "" {
		return nil, configError("dir", "set", `""`)
	}
	dir, err := filepath.Abs(dir)
	return &FileStore{dir: dir}, err
}
