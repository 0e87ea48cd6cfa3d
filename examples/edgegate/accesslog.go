package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	maxLine  = 64 << 10 // bytes; a longer line is a bad line
	maxQuote = 200      // bytes of a bad line shown to the user
)

// logInfo says what a log holds besides its requests.
type logInfo struct {
	format     string // "clf", "combined" or "nasa-tsv"
	lines      int    // without blank ones and the header
	badLines   int
	outOfOrder int // lines earlier than the good line above them
}

// readLog reads an access log, plain or gzip, and returns its requests in time
// order.
//
// Real logs are dirty, and the reader is strict about one thing only: what it
// counts. A line that does not parse is counted and skipped, a line out of
// order is counted and put in its place, a line of any length is read without
// holding more than 64 KiB of it. Fatal are a file that cannot be read to its
// end, because the rest of the day would be missing, and a file without a
// single good line, because it is some other kind of file.
func readLog(ctx context.Context, path string) ([]request, logInfo, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, logInfo{}, err
	}
	defer func() { _ = file.Close() }()
	src, err := unzipped(file)
	if err != nil {
		return nil, logInfo{}, fmt.Errorf("%s: %w", path, err)
	}
	stream, info, err := parseLog(ctx, src)
	if err != nil {
		return nil, logInfo{}, fmt.Errorf("%s: %w", path, err)
	}
	return stream, info, nil
}

// unzipped tells gzip by its first two bytes, not by a file name.
func unzipped(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReader(r)
	magic, err := buffered.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(magic) != "\x1f\x8b" {
		return buffered, nil
	}
	return gzip.NewReader(buffered)
}

// parseLog reads a log of any of the formats. Memory is per request, never per
// byte: a line is dropped once it is read, and repeated strings are stored
// once.
func parseLog(ctx context.Context, r io.Reader) ([]request, logInfo, error) {
	log := logReader{share: make(interner)}
	lines := bufio.NewReaderSize(r, maxLine+len("\r\n"))
	for {
		if err := ctx.Err(); err != nil {
			return nil, log.info, err
		}
		line, fits, err := nextLine(lines)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, log.info, err
		}
		log.line(line, fits)
	}
	if len(log.stream) == 0 {
		return nil, log.info, noRequests(log.info, log.firstBad)
	}
	return inOrder(log.stream), log.info, nil
}

// logReader collects the requests of a log line by line.
type logReader struct {
	stream   []request
	info     logInfo
	firstBad string
	parse    lineParser // nil until the first line that is not blank
	share    interner
}

// line takes one line in. The first that is not blank decides the format of the
// log.
func (l *logReader) line(line string, fits bool) {
	if strings.TrimSpace(line) == "" {
		return
	}
	if l.parse == nil {
		var header bool
		if l.info.format, l.parse, header = detect(line); header {
			return
		}
	}
	l.info.lines++
	req, ok := l.parse(line)
	if !ok || !fits {
		l.bad(line)
		return
	}
	if n := len(l.stream); n > 0 && req.at < l.stream[n-1].at {
		l.info.outOfOrder++
	}
	l.stream = append(l.stream, l.share.strings(req))
}

// bad counts a line that is none. A log with a few of them is ordinary: port
// scanners, cut off writes, rotated files.
func (l *logReader) bad(line string) {
	if l.info.badLines++; l.info.badLines == 1 {
		l.firstBad = strings.Clone(line[:min(len(line), maxQuote)])
	}
}

// noRequests explains why a log is of no use, in one line whatever the log
// holds.
func noRequests(info logInfo, firstBad string) error {
	if info.lines == 0 {
		return errors.New("the log is empty")
	}
	return fmt.Errorf("no line of %d is a log line, the first is %q", info.lines, firstBad)
}

// inOrder sorts the stream by time, equal times in the order of the log, and
// counts time from the first request.
func inOrder(stream []request) []request {
	slices.SortStableFunc(stream, byTime)
	first := stream[0].at
	for i := range stream {
		stream[i].at -= first
	}
	return stream
}

// closeGaps shortens every silence longer than limit to limit.
func closeGaps(stream []request, limit time.Duration) {
	var cut, last time.Duration
	for i := range stream {
		at := stream[i].at
		cut += max(0, at-last-limit)
		last = at
		stream[i].at = at - cut
	}
}

// nextLine returns the next line without its end. A line beyond maxLine is
// returned cut, with fits false.
func nextLine(r *bufio.Reader) (line string, fits bool, err error) {
	chunk, err := r.ReadSlice('\n')
	line = strings.TrimRight(string(chunk), "\r\n")
	fits = len(line) <= maxLine
	for errors.Is(err, bufio.ErrBufferFull) {
		fits = false
		_, err = r.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) && line != "" {
		return line, fits, nil // the last line of a file may lack its end; the next call meets the end again
	}
	return line, fits, err
}

// interner stores each distinct string once, cut loose from the line it stood
// in.
type interner map[string]string

// strings shares the strings of a request. A day has 30,000 requests, but 2,000
// clients and as many targets.
func (in interner) strings(r request) request {
	r.client, r.method, r.path = in.one(r.client), in.one(r.method), in.one(r.path)
	return r
}

// one clones before it keeps: a field is a piece of its line, and would keep
// the whole line in memory.
func (in interner) one(s string) string {
	if kept, ok := in[s]; ok {
		return kept
	}
	kept := strings.Clone(s)
	in[kept] = kept
	return kept
}
