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

// toxiproxyServer builds toxiproxy, which is not a dependency of the module.
var toxiproxyServer = buildTool("server", "install", "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0")

// toxiproxy is a running toxiproxy server, controlled over its HTTP API.
type toxiproxy struct {
	t   testing.TB
	url string
}

// toxic is a fault that a proxy applies to its connections.
type toxic struct {
	Type       string         `json:"type"`
	Stream     string         `json:"stream"` // direction of the faulty data: "downstream" is from the server to the client
	Toxicity   float64        `json:"toxicity"`
	Attributes map[string]int `json:"attributes"`
}

func startToxiproxy(t testing.TB) *toxiproxy {
	t.Helper()
	addr := storetest.FreeAddr(t)
	host, port := addr[:len("127.0.0.1")], addr[len("127.0.0.1:"):]
	startProgram(t, exec.Command(toxiproxyServer(t), "-host", host, "-port", port))
	p := &toxiproxy{t: t, url: "http://" + addr}
	eventually(t, 10*time.Second, "toxiproxy does not start", func() bool {
		response, err := http.Get(p.url + "/version")
		if err != nil {
			return false
		}
		return response.Body.Close() == nil
	})
	return p
}

// add adds a proxy to a server and returns its address.
func (p *toxiproxy) add(name, upstream string) (addr string) {
	p.t.Helper()
	var created struct{ Listen string }
	p.call(http.MethodPost, "/proxies", map[string]string{"name": name, "listen": "127.0.0.1:0", "upstream": upstream}, &created)
	return created.Listen
}

// addToxic adds a toxic to a proxy and returns a function that removes it.
func (p *toxiproxy) addToxic(name string, x toxic) (remove func()) {
	p.t.Helper()
	var created struct{ Name string }
	p.call(http.MethodPost, "/proxies/"+name+"/toxics", x, &created)
	return func() { p.call(http.MethodDelete, "/proxies/"+name+"/toxics/"+created.Name, nil, nil) }
}

// setEnabled disables a proxy and closes its connections, or enables it again.
func (p *toxiproxy) setEnabled(name string, enabled bool) {
	p.t.Helper()
	p.call(http.MethodPost, "/proxies/"+name, map[string]bool{"enabled": enabled}, nil)
}

func (p *toxiproxy) call(method, path string, body, into any) {
	p.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(p.t, err)
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, bytes.NewReader(text))
	require.NoError(p.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(p.t, err)
	defer response.Body.Close()
	text, err = io.ReadAll(response.Body)
	require.NoError(p.t, err)
	require.Less(p.t, response.StatusCode, 300, fmt.Sprintf("%s %s: %s", method, path, text))
	if into != nil {
		require.NoError(p.t, json.Unmarshal(text, into))
	}
}
