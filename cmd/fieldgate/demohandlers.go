package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// handlers maps command types to the functions that execute such commands on this machine.
type handlers map[string]func(ctx context.Context, parameters json.RawMessage) (string, error)

var demoHandlers = handlers{
	"diagnostic.dns":          lookUp,
	"diagnostic.tcp":          dial,
	"diagnostic.http":         get,
	"diagnostic.system":       describe,
	"remediation.clear_cache": clearCache,
}

// run executes a command. It returns an error for an unknown type.
func (h handlers) run(ctx context.Context, commandType string, parameters json.RawMessage) (string, error) {
	handler, known := h[commandType]
	if !known {
		return "", fmt.Errorf("this device cannot execute %s", commandType)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return handler(ctx, parameters)
}

func decode[T any](parameters json.RawMessage) (T, error) {
	var p T
	if err := json.Unmarshal(parameters, &p); err != nil {
		return p, fmt.Errorf("reading the parameters: %w", err)
	}
	return p, nil
}

func lookUp(ctx context.Context, parameters json.RawMessage) (string, error) {
	p, err := decode[struct{ Host string }](parameters)
	if err != nil {
		return "", err
	}
	start := time.Now()
	addresses, err := net.DefaultResolver.LookupHost(ctx, p.Host)
	if err != nil {
		return "", fmt.Errorf("looking up %s: %w", p.Host, err)
	}
	return fmt.Sprintf("%s is %s (%s)", p.Host, strings.Join(addresses, ", "), elapsed(start)), nil
}

func dial(ctx context.Context, parameters json.RawMessage) (string, error) {
	p, err := decode[struct {
		Host string
		Port int
	}](parameters)
	if err != nil {
		return "", err
	}
	start := time.Now()
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(p.Host, fmt.Sprint(p.Port)))
	if err != nil {
		return "", fmt.Errorf("connecting: %w", err)
	}
	defer connection.Close()
	return fmt.Sprintf("connected to %s from %s (%s)", connection.RemoteAddr(), connection.LocalAddr(), elapsed(start)), nil
}

func get(ctx context.Context, parameters json.RawMessage) (string, error) {
	p, err := decode[struct{ URL string }](parameters)
	if err != nil {
		return "", err
	}
	start := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL, nil)
	if err != nil {
		return "", fmt.Errorf("reading the URL: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("requesting the URL: %w", err)
	}
	defer response.Body.Close()
	size, err := io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("reading the response: %w", err)
	}
	return fmt.Sprintf("%s responded with %s, %d bytes (%s)", p.URL, response.Status, size, elapsed(start)), nil
}

// describe returns facts about the machine, such as the kernel's version and the load.
func describe(context.Context, json.RawMessage) (string, error) {
	facts := []string{fmt.Sprintf("%s/%s, %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())}
	for _, fact := range [][2]string{
		{"kernel", "/proc/sys/kernel/osrelease"}, {"load", "/proc/loadavg"}, {"uptime", "/proc/uptime"},
	} {
		if text, err := os.ReadFile(fact[1]); err == nil {
			facts = append(facts, fact[0]+" "+strings.TrimSpace(string(text)))
		}
	}
	return strings.Join(facts, "; "), nil
}

// clearCache removes the files in a directory. It accepts only a directory that createCache has
// created.
func clearCache(_ context.Context, parameters json.RawMessage) (string, error) {
	p, err := decode[struct{ Directory string }](parameters)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(filepath.Base(p.Directory), cachePrefix) {
		return "", errors.New("this is not a cache directory")
	}
	files, err := os.ReadDir(p.Directory)
	if err != nil {
		return "", fmt.Errorf("reading the cache: %w", err)
	}
	freed := int64(0)
	for _, file := range files {
		if info, err := file.Info(); err == nil {
			freed += info.Size()
		}
		if err := os.Remove(filepath.Join(p.Directory, file.Name())); err != nil {
			return "", fmt.Errorf("removing a file: %w", err)
		}
	}
	return fmt.Sprintf("removed %d files, %d bytes", len(files), freed), nil
}

func elapsed(start time.Time) time.Duration { return time.Since(start).Round(10 * time.Microsecond) }

// cachePrefix is the prefix of the directories that clear_cache may empty.
const cachePrefix = "fieldgate-demo-cache-"
