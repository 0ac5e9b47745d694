package diagnostics

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/clients/go/agent"
)

// invalidHosts returns values that must not reach a program, the resolver or the network.
func invalidHosts() []string {
	return []string{
		"", "-c", "--help", "-", "a.-b", "a b", " a", "a ", `a\n`, `a\nb`, `a\tb`, `a\u0000`, "a;b", "$(reboot)", "`reboot`", "a|b",
		"a/b", "/etc/passwd", "..", ".", "a..b", "*", "%25", "ü", "a:80", "[::1]", "127.0.0.1/8", "fe80::1%eth0",
		strings.Repeat("x", 64), strings.Repeat("x.", 127), strings.Repeat("x", 64<<10),
	}
}

func TestParameters_RefuseInvalidHosts(t *testing.T) {
	t.Parallel()
	for commandType, rest := range map[string]string{
		"diagnostic.dns": "", "diagnostic.ping": "", "diagnostic.traceroute": "",
		"diagnostic.tcp": `,"port":1`, "diagnostic.tls": `,"port":1`,
	} {
		for _, name := range invalidHosts() {
			requireRefused(t, commandType, `{"host":"`+name+`"`+rest+`}`)
		}
	}
}

func TestParameters_RefuseInvalidPorts(t *testing.T) {
	t.Parallel()
	for _, commandType := range []string{"diagnostic.tcp", "diagnostic.tls"} {
		for _, port := range []string{"0", "-1", "65536", "1e9", "80.5", `"80"`, "null", "4294967376", "99999999999999999999"} {
			requireRefused(t, commandType, `{"host":"a","port":`+port+`}`)
		}
		requireRefused(t, commandType, `{"host":"a"}`)
	}
}

func TestParameters_RefuseInvalidURLs(t *testing.T) {
	t.Parallel()
	for _, u := range []string{
		"", "a", "//a/", "/etc/passwd", "file:///etc/passwd", "gopher://a/", "ftp://a/", "unix:///run/x", "javascript:1", "http:a", "http://",
		"http:///etc/passwd", "http://u@a/", "http://u:hunter2@a/", "http://u:hunter2@a:bad/", "http://u:hunter2@a b/", "http://:80/",
		"http://a:0/", "http://a:65536/", "http://a:99999999999999999999/", "http://a:-1/", "http://a b/", `http://a/\nX: y`, `http://a\r\n/`,
		"http://-a/", "http://[fe80::1%25eth0]/", "http://[::1/", "http://a;b/", "http://a/" + strings.Repeat("x", 2048),
	} {
		requireRefused(t, "diagnostic.http", `{"url":"`+u+`"}`)
	}
	require.NoError(t, httpParameters{"https://[::1]:8443/a?b=c#d"}.check())
	require.NoError(t, httpParameters{"HTTP://gateway.example.com."}.check())
}

func TestParameters_RefuseInvalidLogs(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{
		"", "-c", "--vacuum-size=1", "..", ".", "../a", "a/b.service", "/a", "a b", " a", "a ", `a\n`, `a\nb`, `a\u0000`, "a;b", "$(reboot)",
		"*", "a?", "[a]", "a=b", "a,b", "@a", "ü", strings.Repeat("x", 256), strings.Repeat("x", 64<<10),
	} {
		requireRefused(t, "diagnostic.log", `{"unit":"`+unit+`","lines":1}`)
	}
	for _, lines := range []string{"0", "-1", "2001", "99999999999999999999", "1.5", `"all"`, "null"} {
		requireRefused(t, "diagnostic.log", `{"unit":"a","lines":`+lines+`}`)
	}
}

func TestParameters_RefuseUnknownNames(t *testing.T) {
	t.Parallel()
	for commandType, invalid := range map[string][]string{
		"diagnostic.dns":        {`{}`, `{"host":"a","type":"MX"}`, `{"host":["a"]}`, `"a"`, `null`, `{"host":"a"} {}`},
		"diagnostic.ping":       {`{}`, `{"host":"127.0.0.1","count":1000}`, `{"host":"127.0.0.1","interval":0}`},
		"diagnostic.traceroute": {`{}`, `{"host":"a","maxHops":255}`},
		"diagnostic.http":       {`{}`, `{"url":"http://h","method":"POST"}`, `{"url":"http://h","headers":{"Host":"x"}}`},
		"diagnostic.log":        {`{}`, `{"unit":"a"}`, `{"unit":"a","lines":1,"since":"-1h"}`},
		"diagnostic.system":     {`{"verbose":true}`, `[]`},
		"diagnostic.interfaces": {`{"name":"eth0"}`},
		"diagnostic.disk":       {`{"path":"/"}`},
	} {
		for _, parameters := range invalid {
			requireRefused(t, commandType, parameters)
		}
	}
}

// requireRefused requires that the parameters are refused, and that a password in them is not
// quoted.
func requireRefused(t testing.TB, commandType, parameters string) {
	t.Helper()
	output, data, code := run(t, commandType, parameters)
	require.Equal(t, agent.CodeInvalidParameters, code, "%s %.100s", commandType, parameters)
	require.Empty(t, output)
	require.Empty(t, data)
	require.NotContains(t, failureReason(t, commandType, parameters), "hunter2")
}
