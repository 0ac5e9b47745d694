package handlers

import (
	"context"
	"strings"

	"github.com/fieldgate/fieldgate/generated"
	"github.com/fieldgate/fieldgate/receipt"
)

// GetReceipt returns the receipt of a command.
func (s *Server) GetReceipt(ctx context.Context, r generated.GetReceiptRequestObject) (generated.GetReceiptResponseObject, error) {
	signed, err := s.queue.Receipt(ctx, userPrincipal(ctx).Tenant, r.SessionID, r.CommandID)
	if err != nil {
		return nil, err
	}
	return generated.GetReceipt200ApplicationJoseResponse{Body: strings.NewReader(signed), ContentLength: int64(len(signed))}, nil
}

// GetSigningKeys returns the public keys that verify receipts.
func (s *Server) GetSigningKeys(context.Context, generated.GetSigningKeysRequestObject) (generated.GetSigningKeysResponseObject, error) {
	return generated.GetSigningKeys200JSONResponse(signingKeysOf(s.receipts.Keys())), nil
}

func signingKeysOf(keys []receipt.PublicKey) generated.SigningKeys {
	return generated.SigningKeys{Keys: convert(keys, signingKeyOf)}
}

func signingKeyOf(k receipt.PublicKey) generated.SigningKey {
	return generated.SigningKey{
		Kty: generated.SigningKeyKty(k.Type), Crv: generated.SigningKeyCrv(k.Curve), Alg: generated.SigningKeyAlg(k.Algorithm),
		Use: generated.SigningKeyUseSig, Kid: k.ID, X: k.X, Y: k.Y,
	}
}
