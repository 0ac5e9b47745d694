package passkeytest

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"fmt"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// publicKeyType is the type of every passkey.
const publicKeyType = "public-key"

// attested is the flag of authenticator data that contain the new key.
const attested = 1 << 6

// Register returns what a browser sends for the new passkey, with a challenge in base64url.
func (p *Passkey) Register(challenge string) fieldgate.PasskeyRegistration {
	clientData := fmt.Appendf(nil, `{"type":"webauthn.create","challenge":%q,"origin":%q,"crossOrigin":false}`, challenge, p.Origin)
	return fieldgate.PasskeyRegistration{
		ID: encode(p.ID), RawID: encode(p.ID), Type: publicKeyType,
		Response: fieldgate.PasskeyAttestation{
			AttestationObject: encode(p.attestation()), ClientDataJSON: encode(clientData), Transports: []string{"internal"},
		},
	}
}

// Response returns a signature in the form in which a browser sends it.
func Response(a fieldgate.Assertion) *fieldgate.PasskeyAssertion {
	return &fieldgate.PasskeyAssertion{
		ID: a.CredentialID, RawID: a.CredentialID, Type: publicKeyType,
		Response: fieldgate.PasskeyAssertionResponse{
			AuthenticatorData: a.AuthenticatorData, ClientDataJSON: a.ClientDataJSON, Signature: a.Signature,
		},
	}
}

// These are the first bytes of values of CBOR (RFC 8949): their kind, and their length if it is below 24.
const (
	cborNegative = 1 << 5
	cborBytes    = 2 << 5
	cborText     = 3 << 5
	cborMap      = 5 << 5
)

// attestation returns the object without an attestation of the authenticator, in CBOR.
func (p *Passkey) attestation() []byte {
	data := p.authenticatorData()
	data[32] |= attested
	data = append(data, make([]byte, 16)...) // the model of the authenticator is not known
	data = append(data, 0, byte(len(p.ID)))
	data = append(append(data, p.ID...), p.publicKey()...)
	object := cborName([]byte{cborMap | 3}, "fmt")
	object = cborName(object, "none")
	object = append(cborName(object, "attStmt"), cborMap)
	object = append(cborName(object, "authData"), cborBytes|25, byte(len(data)>>8), byte(len(data)))
	return append(object, data...)
}

// publicKey returns the public key as authenticators encode it (COSE, RFC 9052), in CBOR.
func (p *Passkey) publicKey() []byte {
	const keyType, algorithm, curve, x, y = 1, 3, cborNegative, cborNegative | 1, cborNegative | 2
	switch public := p.key.Public().(type) {
	case ed25519.PublicKey: // type 1, algorithm -8, curve 6
		return append([]byte{cborMap | 4, keyType, 1, algorithm, cborNegative | 7, curve, 6, x, cborBytes | 24, 32}, public...)
	case *ecdsa.PublicKey: // type 2, algorithm -7, curve 1
		point, err := public.Bytes()
		if err != nil {
			panic(err) // the key is on its curve
		}
		key := append([]byte{cborMap | 5, keyType, 2, algorithm, cborNegative | 6, curve, 1, x, cborBytes | 24, 32}, point[1:33]...)
		return append(append(key, y, cborBytes|24, 32), point[33:]...)
	}
	panic("there is no passkey of this kind")
}

func cborName(object []byte, name string) []byte {
	return append(append(object, cborText|byte(len(name))), name...)
}
