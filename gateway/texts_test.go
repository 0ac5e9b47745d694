package gateway_test

import (
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/gateway"
)

// TestConfig_TextWithSpaceOrQuotesIsRefusedByName puts each text of the configuration between
// spaces and quotation marks. A new field must be refused too.
func TestConfig_TextWithSpaceOrQuotesIsRefusedByName(t *testing.T) {
	t.Parallel()
	good := gateway.Config{
		RedisURL: "redis://127.0.0.1:1", SupabaseURL: "http://127.0.0.1:1", Addr: "127.0.0.1:0", Logger: slog.New(slog.DiscardHandler),
	}
	for field := range reflect.TypeFor[gateway.Config]().Fields() {
		if field.Name == "Version" || field.Name == "SigningKey" {
			continue // the linker sets the version; what is around a PEM block does not belong to it
		}
		for _, around := range [][2]string{{" ", ""}, {"", " "}, {"", "\r"}, {"", "\n"}, {"\t", ""}, {"\u00a0", ""}, {"\ufeff", ""}, {`"`, `"`}, {"'", "'"}, {"`", "`"}, {"“", "”"}} {
			if around[0] == "“" && strings.HasSuffix(field.Name, "Key") || around[0] == "“" && strings.Contains(field.Name, "JWTSecret") {
				continue // a secret may begin with one mark and end with another
			}
			cfg, value := good, around[0]+"https://hunter2-hunter2-hunter2-hunter2"+around[1]
			switch target := reflect.ValueOf(&cfg).Elem().FieldByIndex(field.Index).Addr().Interface().(type) {
			case *string:
				*target = value
			case *[]string:
				*target = []string{"https://app.example.com", value}
			default:
				continue
			}
			_, err := gateway.New(t.Context(), cfg)
			require.ErrorContains(t, err, "at its beginning or end", "%s %q", field.Name, value)
			require.ErrorContains(t, err, "FIELDGATE_", field.Name)
			require.NotContains(t, err.Error(), "\n", "the error has one line")
			require.NotContains(t, err.Error(), "hunter2")
		}
	}
}
