// Package connection has the settings of the connections to Redis that all commands share.
package connection

import "github.com/fieldgate/fieldgate/store"

// Files are the settings of each connection to Redis, besides its URL. All of them are names of
// files, which are read again for each new connection.
type Files struct {
	CAFile       string `name:"ca-file" env:"FIELDGATE_REDIS_CA_FILE" help:"File with the certificates of the authorities that connections to Redis trust. Default: those of the system."`
	CertFile     string `env:"FIELDGATE_REDIS_CERT_FILE" help:"File with the certificate with which the gateway authenticates to Redis."`
	KeyFile      string `env:"FIELDGATE_REDIS_KEY_FILE" help:"File with the key of that certificate."`
	PasswordFile string `env:"FIELDGATE_REDIS_PASSWORD_FILE" help:"File with the password of the Redis user, instead of one in the URL."`
}

// Apply sets the files in the configuration of a store.
func (f Files) Apply(cfg *store.Config) {
	cfg.CAFile, cfg.CertFile, cfg.KeyFile, cfg.PasswordFile = f.CAFile, f.CertFile, f.KeyFile, f.PasswordFile
}
