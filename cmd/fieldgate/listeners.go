package main

import (
	"fmt"
	"io/fs"
	"strconv"

	"github.com/fieldgate/fieldgate/gateway"
)

// listenerSettings are the settings of the listeners that serve has and dev has not.
type listenerSettings struct {
	UnixSocketMode string `env:"FIELDGATE_UNIX_SOCKET_MODE" default:"0660" help:"Permissions of Unix sockets at which the gateway listens."`
	TLSCertFile    string `env:"FIELDGATE_TLS_CERT_FILE" help:"File with the certificate with which the API is served, followed by those of its authorities."`
	TLSKeyFile     string `env:"FIELDGATE_TLS_KEY_FILE" help:"File with the key of that certificate."`
	HSTS           string `name:"hsts" env:"FIELDGATE_HSTS" enum:"auto,on,off" default:"auto" help:"Which responses make browsers use https for a year: those over TLS (auto), all, because a proxy terminates TLS (on), or none (off)."`
	ProxyProtocol  string `env:"FIELDGATE_PROXY_PROTOCOL" enum:"on,off" default:"off" help:"Whether connections from the trusted proxies begin with a header of the PROXY protocol (on, off)."`
	AdminAddr      string `env:"FIELDGATE_ADMIN_ADDR" default:"off" help:"Address of metrics, profiles, readiness in detail and the log level for the operator, such as 127.0.0.1:9095; 'off' for none."`
	AdminToken     string `env:"FIELDGATE_ADMIN_TOKEN" help:"Credential for that address, at least 32 characters. Required if others than programs on this machine can connect to it."`
}

// apply sets the settings in the configuration of the gateway.
func (l listenerSettings) apply(cfg *gateway.Config) error {
	mode, err := parseMode(l.UnixSocketMode)
	if err != nil {
		return fmt.Errorf("FIELDGATE_UNIX_SOCKET_MODE: %w", err)
	}
	cfg.UnixSocketMode, cfg.TLSCertFile, cfg.TLSKeyFile, cfg.HSTS = mode, l.TLSCertFile, l.TLSKeyFile, l.HSTS
	cfg.ProxyProtocol, cfg.AdminAddr, cfg.AdminToken = l.ProxyProtocol == "on", addrOf(l.AdminAddr), l.AdminToken
	return nil
}

func parseMode(text string) (fs.FileMode, error) {
	mode, err := strconv.ParseUint(text, 8, 9)
	if err != nil || mode == 0 {
		return 0, fmt.Errorf("%q is not the permissions of a file: write octal digits such as 0660", text)
	}
	return fs.FileMode(mode), nil
}

// addrOf returns the address in a setting, which is "off" for none.
func addrOf(setting string) string {
	if setting == "off" {
		return ""
	}
	return setting
}
