package device

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/seal"
	"github.com/fieldgate/fieldgate/store"
	"github.com/fieldgate/fieldgate/store/storetest"
)

// keptReply is the reply to one request with an Idempotency-Key, in the store and as the caller
// gets it.
type keptReply struct {
	key        string // key of the stored reply
	field      string // name of the credential in it
	credential string
	earlier    []byte        // key with which earlier releases sealed the credential
	request    []any         // what earlier releases fingerprinted
	repeat     func() string // repeats the request and returns the credential
	deviceID   string
	guessed    string // what a reader of the store may have guessed, besides the Idempotency-Key
}

// keptReplies sends one request of each kind whose stored reply has a credential.
func keptReplies(t *testing.T, s *store.Store) map[string]keptReply {
	t.Helper()
	r, tenant := New(Config{Store: s}), storetest.Tenant()
	var d Device
	provision := func() string {
		made, code, err := r.Provision(t.Context(), Provisioning{Tenant: tenant, UserID: "alice", Name: "Pump 7", IdempotencyKey: "first-key"})
		require.NoError(t, err)
		d = made
		return code.Code
	}
	first := provision()
	issue := func() string {
		code, err := r.IssueActivationCode(t.Context(), IssueRequest{Tenant: tenant, UserID: "alice", DeviceID: d.ID, IdempotencyKey: "second-key"})
		require.NoError(t, err)
		return code.Code
	}
	second := issue()
	register := func() string {
		registered, err := r.Register(t.Context(), Registration{Code: second, IdempotencyKey: "third-key"})
		require.NoError(t, err)
		return registered.Secret
	}
	code, _ := parseCode(second)
	codeKey := r.keys.derive("sealed activation code", "")
	own := store.Device{Tenant: tenant, ID: d.ID}
	return map[string]keptReply{
		"provision": {store.IdempotencyKeys(tenant, "first-key")[0], "code", first, codeKey, []any{"provision", "Pump 7", "", "", ""}, provision, d.ID, ""},
		"issue":     {store.IdempotencyKeys(tenant, "second-key")[0], "code", second, codeKey, []any{"issue", d.ID}, issue, d.ID, ""},
		"register": {
			own.RegistrationKey(store.DigestOf("third-key")), "secret", register(), r.keys.derive("sealed secret", code),
			[]any{"register", r.keys.hashCode(code), "", ""}, register, d.ID, code,
		},
	}
}

// read returns the stored reply without its fingerprint.
func (k keptReply) read(t *testing.T, s *store.Store) (fields map[string]any) {
	t.Helper()
	require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
		raw, err := c.Get(ctx, k.key).Result()
		require.NoError(t, json.Unmarshal([]byte(raw[strings.IndexByte(raw, '{'):]), &fields))
		return err
	}))
	return fields
}

// knownToReader returns lists of secrets that a reader of the whole store can try.
func (k keptReply) knownToReader(s *store.Store) (lists [][]string) {
	digest := k.key[strings.LastIndexByte(k.key, ':')+1:]
	known := []string{"", digest, hex.EncodeToString(s.HashKey()), k.guessed}
	lists = append(lists, nil)
	for _, first := range known {
		lists = append(lists, []string{first})
		for _, second := range known {
			lists = append(lists, []string{first, second})
		}
	}
	return lists
}

func TestReply_ReaderOfStoreOpensNoCredential(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for name, kept := range keptReplies(t, s) {
			sealed, _ := kept.read(t, s)[kept.field].(string)
			require.True(t, seal.IsSealed(sealed), name)
			_, err := openEarlier(kept.earlier, sealed, kept.deviceID)
			require.Error(t, err, "%s opens as in earlier releases", name)
			for _, secrets := range kept.knownToReader(s) {
				for _, purpose := range []string{"activation code", "device secret"} {
					sealer, err := seal.New(s.HashKey(), purpose, secrets...)
					require.NoError(t, err)
					_, err = sealer.Open(sealed, kept.deviceID)
					require.Error(t, err, "%s opens with %q", name, secrets)
				}
			}
			require.Equal(t, kept.credential, kept.repeat(), name)
		}
	})
}

// TestReply_OfEarlierReleaseIsRepeated replaces each stored reply by one in the form of earlier
// releases, as during and after an upgrade.
func TestReply_OfEarlierReleaseIsRepeated(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		for name, kept := range keptReplies(t, s) {
			fields := kept.read(t, s)
			fields[kept.field] = sealEarlier(t, kept.earlier, strings.ReplaceAll(kept.credential, "-", ""), kept.deviceID)
			if kept.field == "secret" {
				fields[kept.field] = sealEarlier(t, kept.earlier, kept.credential, kept.deviceID)
			}
			digest, err := fingerprint(kept.request...)
			require.NoError(t, err)
			reply, err := json.Marshal(fields)
			require.NoError(t, err)
			require.NoError(t, s.Do(t.Context(), "test", func(ctx context.Context, c store.Client) error {
				return c.Set(ctx, kept.key, digest+string(reply), idempotencyTTL).Err()
			}))
			require.Equal(t, kept.credential, kept.repeat(), name)
		}
	})
}

// sealEarlier seals text as earlier releases did.
func sealEarlier(t *testing.T, key []byte, text, deviceID string) string {
	t.Helper()
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(t, err)
	return base64.StdEncoding.EncodeToString(aead.Seal(nil, nil, []byte(text), []byte(deviceID)))
}
