package gateway

import "github.com/fieldgate/fieldgate/receipt"

// newSigner returns the signer of receipts, or nil if none are signed.
func newSigner(cfg Config) (*receipt.Signer, error) {
	switch {
	case cfg.SigningKey != "":
		return receipt.NewSigner([]byte(cfg.SigningKey))
	case cfg.Development && cfg.RedisURL == "":
		return receipt.GenerateSigner()
	}
	return nil, nil
}
