package store

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
)

// A reloaded value is read from files again for each new connection, so that an operator can
// replace the files while the gateway runs. It is safe for concurrent use.
type reloaded[T any] struct {
	read func() (T, error)
	log  *slog.Logger

	last   atomic.Pointer[T] // the value of the last successful read
	failed atomic.Bool       // the last read failed, which is logged once
}

// get reads the value. If that fails, it returns the value of the last successful read, because
// a certificate and its key are not replaced at the same moment. The error of the first read is
// a sentence that names the setting.
func (r *reloaded[T]) get() (T, error) {
	value, err := r.read()
	if err == nil {
		r.failed.Store(false)
		r.last.Store(&value)
		return value, nil
	}
	last := r.last.Load()
	if last == nil {
		return value, err
	}
	if !r.failed.Swap(true) {
		r.log.Warn("using the earlier content of a file, because reading it again failed", "error", err)
	}
	return *last, nil
}

// certificates has the contents of Config.CAFile, CertFile and KeyFile.
type certificates struct {
	authorities *x509.CertPool    // nil to trust those of the system
	own         []tls.Certificate // with which the gateway authenticates; empty for none
}

func (cfg Config) hasCertificates() bool {
	return cfg.CAFile != "" || cfg.CertFile != "" || cfg.KeyFile != ""
}

// readCertificates reads the files of cfg. Its errors name the settings, and contain neither
// certificates nor keys.
func (cfg Config) readCertificates() (found certificates, err error) {
	if cfg.CAFile != "" {
		content, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return found, fmt.Errorf("reading FIELDGATE_REDIS_CA_FILE: %w", err)
		}
		if found.authorities = x509.NewCertPool(); !found.authorities.AppendCertsFromPEM(content) {
			return found, errors.New("FIELDGATE_REDIS_CA_FILE contains no certificate: it must be a file with PEM certificates")
		}
	}
	switch {
	case cfg.CertFile == "" && cfg.KeyFile == "":
		return found, nil
	case cfg.CertFile == "" || cfg.KeyFile == "":
		return found, errors.New("only one of FIELDGATE_REDIS_CERT_FILE and FIELDGATE_REDIS_KEY_FILE is set: set both")
	}
	own, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
	if err != nil {
		return found, fmt.Errorf("reading FIELDGATE_REDIS_CERT_FILE and FIELDGATE_REDIS_KEY_FILE: %w", err)
	}
	found.own = []tls.Certificate{own}
	return found, nil
}

// readPassword reads the file of cfg. The last line break is not part of the password.
func (cfg Config) readPassword() (string, error) {
	content, err := os.ReadFile(cfg.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("reading FIELDGATE_REDIS_PASSWORD_FILE: %w", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if password == "" {
		return "", errors.New("FIELDGATE_REDIS_PASSWORD_FILE contains no password")
	}
	return password, nil
}
