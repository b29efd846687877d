package main

import (
	"bytes"
	"io/fs"
	"time"
)

// texts are files in memory: the profiles that a predecessor had built in. A
// process that it started is judged by those, whatever they say by now.
type texts map[string]string

// textsOf reads all files of a flat file system.
func textsOf(from fs.FS) (texts, error) {
	entries, err := fs.ReadDir(from, ".")
	if err != nil {
		return nil, err
	}
	all := texts{}
	for _, e := range entries {
		b, err := fs.ReadFile(from, e.Name())
		if err != nil {
			return nil, err
		}
		all[e.Name()] = string(b)
	}
	return all, nil
}

// Open gives one of them.
func (t texts) Open(name string) (fs.File, error) {
	text, found := t[name]
	if !found {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &openText{name: name, Reader: bytes.NewReader([]byte(text))}, nil
}

// openText is one of them, opened, and its own description.
type openText struct {
	*bytes.Reader
	name string
}

func (o *openText) Stat() (fs.FileInfo, error) { return o, nil }
func (o *openText) Close() error               { return nil }
func (o *openText) Name() string               { return o.name }
func (o *openText) Mode() fs.FileMode          { return 0o444 }
func (o *openText) ModTime() time.Time         { return time.Time{} }
func (o *openText) IsDir() bool                { return false }
func (o *openText) Sys() any                   { return nil }
