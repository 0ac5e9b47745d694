package fieldgate_test

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/gorilla/websocket"

	fieldgate "github.com/fieldgate/fieldgate/clients/go"
)

// exampleURL starts a server that simulates the gateway in the examples, and returns its
// address. The server runs until the process ends.
func exampleURL() string {
	mux := http.NewServeMux()
	for pattern, body := range exampleResponses {
		mux.HandleFunc(pattern, respond(body))
	}
	mux.HandleFunc("GET /api/v1/customer/devices", func(w http.ResponseWriter, r *http.Request) {
		page := `{"items":[{"name":"Pump station 12"}],"nextCursor":"MDFq"}`
		if r.URL.Query().Get("cursor") != "" {
			page = `{"items":[{"name":"Pump station 13"}]}`
		}
		respond(page)(w, r)
	})
	_, roster, _ := exampleRoster()
	mux.HandleFunc("GET /api/v1/device/trust", respond(`{"keys":{"keys":[]},"roster":`+string(roster)+`}`))
	keys, receipt := exampleReceipt()
	mux.HandleFunc("GET /.well-known/fieldgate/keys", respond(keys))
	mux.HandleFunc("GET /api/v1/customer/sessions/{session}/commands/{id}/receipt", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jose")
		_, _ = io.WriteString(w, receipt)
	})
	mux.HandleFunc("GET /api/v1/device/ws", exampleSocket(map[string]string{
		"heartbeat": exampleResponses["POST /api/v1/device/heartbeat"],
		"claim":     exampleResponses["POST /api/v1/device/commands/claim"],
		"extend":    `{"commandId":"` + commandID + `","leaseRemainingMs":60000,"cancelRequested":false}`,
		"progress":  `{"commandId":"` + commandID + `","seq":1,"leaseRemainingMs":60000,"cancelRequested":false}`,
		"release":   exampleResponses["POST /api/v1/device/commands/{id}/release"],
		"result":    exampleResponses["POST /api/v1/device/commands/{id}/result"],
	}))
	mux.HandleFunc("GET /api/v1/customer/ws", exampleSocket(map[string]string{
		"subscribe":   `{"room":"device:` + deviceID + `","offset":"1-0","resumed":false}`,
		"unsubscribe": `{}`,
	}, `{"type":"event","data":{"room":"device:`+deviceID+`","offset":"2-0","type":"command.claimed"}}`,
		`{"type":"event","data":{"room":"device:`+deviceID+`","offset":"3-0","type":"command.succeeded"}}`))
	return httptest.NewServer(mux).URL
}

// exampleVectors are the receipts and rosters of the vectors.
type exampleVectors struct {
	Keys    json.RawMessage
	Rosters map[string]json.RawMessage
	Vectors []struct{ Receipt, Roster string }
}

func readVectors() (vectors exampleVectors) {
	text, err := os.ReadFile("testdata/receipts.json")
	if err != nil {
		log.Fatal(err)
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		log.Fatal(err)
	}
	return vectors
}

// exampleReceipt returns the first receipt of the vectors, and the keys that verify it.
func exampleReceipt() (keys, receipt string) {
	vectors := readVectors()
	return string(vectors.Keys), vectors.Vectors[0].Receipt
}

// exampleRoster returns a roster that a device has pinned, a later version of it, and a receipt that a user
// of both has signed.
func exampleRoster() (pinned, later []byte, receipt string) {
	vectors := readVectors()
	for _, v := range vectors.Vectors {
		if v.Roster != "" {
			return vectors.Rosters["first"], vectors.Rosters["later"], v.Receipt
		}
	}
	log.Fatal("the vectors have no passkeys")
	return nil, nil, ""
}

// exampleDevice returns the client of a device on the gateway of the examples.
func exampleDevice() *fieldgate.DeviceClient { return exampleGateway().Device(deviceID, deviceSecret) }

// exampleCustomer returns the client of a user on the gateway of the examples.
func exampleCustomer() *fieldgate.CustomerClient {
	return exampleGateway().Customer(fieldgate.Bearer("the JWT of the signed-in user"))
}

func exampleGateway() *fieldgate.Gateway {
	gateway, err := fieldgate.New(exampleURL())
	if err != nil {
		log.Fatal(err)
	}
	return gateway
}

// respond returns a handler that responds with the JSON body. If body is empty, the status is
// 204. If body is a problem document, the status is that of the problem.
func respond(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case body == "":
			w.WriteHeader(http.StatusNoContent)
			return
		case strings.Contains(body, `"code":`):
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
		default:
			w.Header().Set("Content-Type", "application/json")
		}
		_, _ = io.WriteString(w, strings.ReplaceAll(body, "REQUEST_ID", r.Header.Get("X-Request-ID")))
	}
}

// exampleSocket returns a handler that replies to each frame by its type. After each reply to a
// subscribe frame, it sends the events. If the token is "superseded", it closes the socket.
func exampleSocket(replies map[string]string, events ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		upgrader := websocket.Upgrader{Subprotocols: []string{"fieldgate.v1"}}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		c := &serverConn{ws: ws}
		c.welcome(25_000)
		if r.Header.Get("Authorization") == "Bearer superseded" {
			c.close(fieldgate.CloseSuperseded, "a newer socket of this device replaced this one")
			return
		}
		c.serve(func(m message) {
			c.reply(m, json.RawMessage(replies[m.Type]))
			if m.Type != "subscribe" {
				return
			}
			for _, event := range events {
				_ = ws.WriteMessage(websocket.TextMessage, []byte(event))
			}
		})
	}
}

const (
	exampleDeviceBody  = `{"id":"` + deviceID + `","name":"Pump station 12","status":"active","presence":"online","location":"Hall 4"}`
	exampleCommandBody = `{"id":"` + commandID + `","sessionId":"` + sessionID + `","type":"service.restart","status":"queued","digest":"5f1d","mayDecide":true}`
	exampleSuspended   = `{"id":"` + deviceID + `","name":"Pump station 12","status":"suspended"}`
)

// exampleResponses maps the patterns of requests to response bodies.
var exampleResponses = map[string]string{
	"GET /healthz": `{"status":"ok","timestamp":"2025-11-22T20:15:04.120Z"}`,
	"GET /readyz":  `{"ready":true,"draining":false,"checks":{"redis":{"ok":true},"supabase":{"ok":true}}}`,
	"GET /version": `{"version":"1.4.0"}`,

	"POST /api/v1/device/register": `{"deviceId":"` + deviceID + `","deviceSecret":"` + deviceSecret + `","registeredAt":"2025-11-22T20:15:04.120Z"}`,
	"POST /api/v1/device/auth":     `{"token":"q8Zr1vTn","expiresInSeconds":604800,"expiresAt":"2025-11-29T20:15:04.120Z","deviceId":"` + deviceID + `"}`,
	"DELETE /api/v1/device/auth":   "",
	"POST /api/v1/device/heartbeat": `{"serverTime":"2025-11-22T20:15:05.000Z","nextHeartbeatMs":30000,"pendingCommands":0,"cancelRequested":["` +
		commandID + `"]}`,
	"POST /api/v1/device/commands/claim": `{"commands":[{"id":"` + commandID +
		`","type":"service.restart","parameters":{"service":"telemetry"},"claimToken":"` + claimToken + `"}]}`,
	"GET /api/v1/device/commands/{id}":           `{"id":"` + commandID + `","type":"service.restart","status":"claimed","cancelRequested":true}`,
	"POST /api/v1/device/commands/{id}/extend":   `{"title":"A newer claim exists","status":409,"code":"claim_superseded","requestId":"REQUEST_ID"}`,
	"POST /api/v1/device/commands/{id}/progress": `{"commandId":"` + commandID + `","seq":3,"leaseRemainingMs":60000,"cancelRequested":true}`,
	"POST /api/v1/device/commands/{id}/release":  `{"commandId":"` + commandID + `","status":"queued"}`,
	"POST /api/v1/device/commands/{id}/result":   `{"commandId":"` + commandID + `","status":"succeeded","late":false,"duplicate":false}`,

	"POST /api/v1/customer/devices":                      `{"device":` + exampleDeviceBody + `,"activationCode":"7K2M-Q9TX-4WPA","instructions":"Enter the code."}`,
	"GET /api/v1/customer/devices/{id}":                  exampleDeviceBody,
	"PATCH /api/v1/customer/devices/{id}":                exampleDeviceBody,
	"DELETE /api/v1/customer/devices/{id}":               "",
	"POST /api/v1/customer/devices/{id}/activation-code": `{"activationCode":"9B4H-M2KD-7XQE"}`,
	"POST /api/v1/customer/devices/{id}/suspend":         exampleSuspended,
	"POST /api/v1/customer/devices/{id}/resume":          exampleDeviceBody,
	"POST /api/v1/customer/devices/{id}/revoke-logins":   exampleDeviceBody,

	"POST /api/v1/customer/devices/{id}/resolve-identity": exampleDeviceBody,

	"POST /api/v1/customer/sessions":                            `{"title":"The device has an active session","status":409,"code":"session_active","sessionId":"` + sessionID + `"}`,
	"GET /api/v1/customer/sessions":                             `{"items":[{"id":"` + sessionID + `","type":"remediation","status":"active"}]}`,
	"GET /api/v1/customer/sessions/{id}":                        `{"id":"` + sessionID + `","status":"active"}`,
	"POST /api/v1/customer/sessions/{id}/close":                 `{"id":"` + sessionID + `","status":"closed"}`,
	"POST /api/v1/customer/sessions/{id}/commands":              `{"id":"` + commandID + `","status":"pending_approval"}`,
	"GET /api/v1/customer/sessions/{id}/commands":               `{"items":[` + exampleCommandBody + `]}`,
	"GET /api/v1/customer/sessions/{id}/commands/{id2}":         exampleCommandBody,
	"GET /api/v1/customer/sessions/{id}/commands/{id2}/output":  `{"output":"block 17 written\n","from":0,"nextSince":17,"complete":true}`,
	"POST /api/v1/customer/sessions/{id}/commands/{id2}/cancel": `{"id":"` + commandID + `","status":"cancelled"}`,
	"POST /api/v1/customer/sessions/{id}/commands/{id2}/retry":  `{"id":"cmd_7k01jd3qd2m6x8t4w1z5v9c3f0ra","status":"pending_approval"}`,
	"POST /api/v1/customer/sessions/{id}/commands/{id2}/withdraw": `{"command":{"id":"` + commandID +
		`","type":"service.restart","status":"pending_approval","approval":{"required":2,"votes":[]}}}`,
	"POST /api/v1/customer/sessions/{id}/commands/{id2}/break-glass": `{"command":` + exampleCommandBody + `}`,
	"POST /api/v1/customer/sessions/{id}/commands/{id2}/break-glass/review": `{"command":{"id":"` + commandID +
		`","type":"service.restart","status":"queued","breakGlass":{"reviewedBy":{"kind":"user","id":"carol"}}}}`,
	"POST /api/v1/customer/sessions/{id}/approve":  `{"command":` + exampleCommandBody + `}`,
	"GET /api/v1/customer/sessions/{id}/events":    `{"items":[{"type":"command.proposed","actor":{"kind":"user","id":"ada"}}]}`,
	"GET /api/v1/customer/approvals":               `{"items":[` + exampleCommandBody + `]}`,
	"GET /api/v1/customer/commands":                `{"items":[` + exampleCommandBody + `]}`,
	"POST /api/v1/customer/ws-tickets":             `{"ticket":"fgt_3FYMTQ7K","expiresAt":"2025-11-22T20:15:34.120Z"}`,
	"GET /api/v1/customer/connections":             `{"items":[{"id":"con_3FYMTQ7K","kind":"device","agent":"pump-firmware/2.7.0"}]}`,
	"DELETE /api/v1/customer/connections/{id}":     "",
	"POST /api/v1/customer/users/{userId}/cut-off": ``,
	"POST /api/v1/customer/passkeys/options":       `{"challenge":"hjgUMqvoZA2xUpF_cJVmjUvbNpAYkVB9KZWtmhsHk4M","rp":{"id":"example.com"}}`,
	"POST /api/v1/customer/passkeys":               `{"id":"9gSyTZxQTPGNCUq1rvFQ9A","name":"Key ring"}`,
	"GET /api/v1/customer/passkeys":                `{"items":[{"id":"9gSyTZxQTPGNCUq1rvFQ9A","name":"Key ring"}]}`,
	"DELETE /api/v1/customer/passkeys/{id}":        ``,
	"GET /api/v1/customer/roster":                  `{"versions":[]}`,
	"PUT /api/v1/customer/roster":                  `{"versions":[{"document":"e30","signatures":[]}]}`,
	"GET /api/v1/customer/policy":                  `{"version":"1","rules":[{"name":"rest","effect":"review"}],"floor":{"version":"3f1f4cbd2a51","rules":"*=review"}}`,
	"PUT /api/v1/customer/policy":                  `{"version":"1","rules":[],"floor":{"version":"3f1f4cbd2a51","rules":"*=review"},"pending":{"version":"2","rules":[],"loosens":["logs"]}}`,
	"POST /api/v1/customer/policy/decide":          `{"version":"2","rules":[],"floor":{"version":"3f1f4cbd2a51","rules":"*=review"}}`,
	"POST /api/v1/customer/policy/evaluate":        `{"effect":"auto","rule":"logs","version":"2","why":"Rule \"logs\" matches."}`,
	"GET /api/v1/customer/policy/versions":         `{"items":[{"version":"2","rules":[],"changedBy":"ada"},{"version":"1","rules":[],"changedBy":"ada"}]}`,
	"GET /api/v1/customer/cut-offs":                `{"items":[{"userId":"mallory","cutOffBy":"ada"}]}`,
	"GET /api/v1/customer/me":                      `{"userId":"ada","name":"Ada","kind":"person","tenant":"c.acme","role":"approver"}`,
	"GET /api/v1/customer/usage":                   `{"limits":{"devices":100},"used":{"devices":42,"openSessions":3}}`,
	"GET /api/v1/customer/system/info":             `{"version":"1.4.0","environment":"production"}`,
}
