package receipt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// Signer signs receipts with one key, and knows the public keys that verify them.
type Signer struct {
	key       any // a private key of the standard library: the library converts one of its own for each signature
	algorithm jwa.SignatureAlgorithm
	header    jws.Headers
	keys      []PublicKey
}

// PublicKey is a public key as a JSON Web Key (RFC 7517). Y is empty for Ed25519.
type PublicKey struct {
	Type, Curve, Algorithm, ID, X, Y string
}

// maxKeys is the maximum number of keys, as in the contract.
const maxKeys = 16

// NewSigner returns the signer with the keys in PEM blocks: private keys in PKCS #8, and public keys
// (PKIX), for Ed25519 or P-256. The first private key signs. The others are only published: a key that
// will sign, before each device knows it, and one that has signed, while its receipts are in use.
func NewSigner(text []byte) (*Signer, error) {
	s := &Signer{}
	for len(s.keys) <= maxKeys {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		if err := s.add(block); err != nil {
			return nil, err
		}
		text = rest
	}
	switch {
	case len(s.keys) > maxKeys:
		return nil, fmt.Errorf("there are more than %d keys", maxKeys)
	case s.key == nil:
		return nil, errors.New("there is no private key in PEM, such as one of `openssl genpkey -algorithm ed25519`")
	}
	return s, nil
}

// GenerateSigner returns a signer with a new key.
func GenerateSigner() (*Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating a key: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encoding a key: %w", err)
	}
	return NewSigner(pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: encoded}))
}

// Keys returns the public keys, the signing one first.
func (s *Signer) Keys() []PublicKey {
	if s == nil {
		return nil
	}
	return s.keys
}

// These are the types of the PEM blocks that NewSigner accepts.
const (
	privateBlock = "PRIVATE KEY"
	publicBlock  = "PUBLIC KEY"
)

// add adds the key in a PEM block.
func (s *Signer) add(block *pem.Block) error {
	var private, public any
	var err error
	switch block.Type {
	case privateBlock:
		private, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		if signer, ok := private.(crypto.Signer); ok {
			public = signer.Public()
		}
	case publicBlock:
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	default:
		err = fmt.Errorf("a PEM block is of the type %q, and not %s or %s", block.Type, privateBlock, publicBlock)
	}
	if err != nil {
		return fmt.Errorf("parsing a key: %w", err)
	}
	return s.addPair(private, public)
}

// addPair adds a public key, and the private one if it is not nil. The first private key signs, and its
// public key becomes the first.
func (s *Signer) addPair(private, public any) error {
	described, algorithm, err := describe(public)
	if err != nil {
		return err
	}
	for _, known := range s.keys {
		if known.ID == described.ID {
			return errors.New("a key is given twice")
		}
	}
	if private == nil || s.key != nil {
		s.keys = append(s.keys, described)
		return nil
	}
	s.keys = append([]PublicKey{described}, s.keys...)
	s.key, s.algorithm, s.header = private, algorithm, jws.NewHeaders()
	return errors.Join(s.header.Set(jws.KeyIDKey, described.ID), s.header.Set(jws.TypeKey, mediaType))
}

// describe returns a public key as a JSON Web Key, whose id is its thumbprint (RFC 7638).
func describe(public any) (PublicKey, jwa.SignatureAlgorithm, error) {
	var described PublicKey
	var algorithm jwa.SignatureAlgorithm
	switch key := public.(type) {
	case ed25519.PublicKey:
		algorithm = jwa.EdDSA
		described = PublicKey{Type: "OKP", Curve: "Ed25519", X: encode(key)}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return PublicKey{}, "", errors.New("an elliptic key is not one of P-256")
		}
		point, err := key.Bytes()
		if err != nil {
			return PublicKey{}, "", fmt.Errorf("encoding a key: %w", err)
		}
		algorithm, described = jwa.ES256, PublicKey{Type: "EC", Curve: "P-256", X: encode(point[1:33]), Y: encode(point[33:])}
	default:
		return PublicKey{}, "", errors.New("a key is neither one of Ed25519 nor one of P-256")
	}
	described.Algorithm = algorithm.String()
	key, err := jwk.FromRaw(public)
	if err != nil {
		return PublicKey{}, "", fmt.Errorf("reading a key: %w", err)
	}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	described.ID = encode(thumbprint)
	return described, algorithm, err
}

func encode(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }
