package gateway

import "github.com/fieldgate/fieldgate/receipt"

// signer returns the signer of receipts, or nil if none are signed.
func (c Config) signer() (*receipt.Signer, error) {
	switch {
	case c.SigningKey != "":
		return receipt.NewSigner([]byte(c.SigningKey))
	case c.Development && c.Embedded:
		return receipt.GenerateSigner()
	}
	return nil, nil
}
