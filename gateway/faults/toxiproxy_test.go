package faults_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/store/storetest"
)

// toxiproxyServer is a tool: it is no dependency of the module.
var toxiproxyServer = build("server", "install", "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0")

// toxiproxy is a running one, driven over its HTTP interface.
type toxiproxy struct {
	t   testing.TB
	url string
}

// toxic is something that a proxy does to what passes through it.
type toxic struct {
	Type       string         `json:"type"`
	Stream     string         `json:"stream"` // "downstream" are the replies
	Toxicity   float64        `json:"toxicity"`
	Attributes map[string]int `json:"attributes"`
}

func startToxiproxy(t testing.TB) *toxiproxy {
	t.Helper()
	addr := storetest.FreeAddr(t)
	host, port := addr[:len("127.0.0.1")], addr[len("127.0.0.1:"):]
	launch(t, exec.Command(toxiproxyServer(t), "-host", host, "-port", port))
	p := &toxiproxy{t: t, url: "http://" + addr}
	eventually(t, 10*time.Second, "toxiproxy does not start", func() bool {
		answer, err := http.Get(p.url + "/version")
		if err != nil {
			return false
		}
		return answer.Body.Close() == nil
	})
	return p
}

// to opens a way to a server and gives its address.
func (p *toxiproxy) to(name, upstream string) (addr string) {
	p.t.Helper()
	var made struct{ Listen string }
	p.call(http.MethodPost, "/proxies", map[string]string{"name": name, "listen": "127.0.0.1:0", "upstream": upstream}, &made)
	return made.Listen
}

// poison does something to what passes through a proxy, and gives the cure.
func (p *toxiproxy) poison(name string, x toxic) (cure func()) {
	p.t.Helper()
	var made struct{ Name string }
	p.call(http.MethodPost, "/proxies/"+name+"/toxics", x, &made)
	return func() { p.call(http.MethodDelete, "/proxies/"+name+"/toxics/"+made.Name, nil, nil) }
}

// enable closes a proxy with all its connections, or opens it again.
func (p *toxiproxy) enable(name string, enabled bool) {
	p.t.Helper()
	p.call(http.MethodPost, "/proxies/"+name, map[string]bool{"enabled": enabled}, nil)
}

func (p *toxiproxy) call(method, path string, body, into any) {
	p.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(p.t, err)
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, bytes.NewReader(text))
	require.NoError(p.t, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(p.t, err)
	defer answer.Body.Close()
	text, err = io.ReadAll(answer.Body)
	require.NoError(p.t, err)
	require.Less(p.t, answer.StatusCode, 300, fmt.Sprintf("%s %s: %s", method, path, text))
	if into != nil {
		require.NoError(p.t, json.Unmarshal(text, into))
	}
}
