package realtime_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/realtime"
)

// badFrames are messages that are text and no frames of ours. The second text is the
// requestId of the answer: that of the frame wherever it can be told.
var badFrames = map[string][2]string{
	"nothing":                                  {``, ``},
	"spaces":                                   {`  `, ``},
	"a word":                                   {`ping`, ``},
	"null":                                     {`null`, ``},
	"true":                                     {`true`, ``},
	"a number":                                 {`17`, ``},
	"a string":                                 {`"ping"`, ``},
	"a list":                                   {`[{"type":"ping","requestId":"r"}]`, ``},
	"an empty object":                          {`{}`, ``},
	"half an object":                           {`{"type":"ping","requestId":"r"`, ``},
	"an object without quotes":                 {`{type:"ping"}`, ``},
	"an object in single quotes":               {`{'type':'ping'}`, ``},
	"a comma at the end":                       {`{"type":"ping","requestId":"r",}`, ``},
	"a comment":                                {`{"type":"ping"} // hello`, ``},
	"two frames":                               {`{"type":"ping","requestId":"r"}{"type":"ping","requestId":"r"}`, ``},
	"two frames in lines":                      {"{\"type\":\"ping\",\"requestId\":\"r\"}\n{\"type\":\"ping\",\"requestId\":\"r\"}", ``},
	"a brace too many":                         {`{"type":"ping","requestId":"r"}}`, ``},
	"a bracket too many":                       {`{"type":"ping","requestId":"r"}]`, ``},
	"a frame and a word":                       {`{"type":"ping","requestId":"r"} x`, ``},
	"a line break in a string":                 {"{\"type\":\"pi\nng\",\"requestId\":\"r\"}", ``},
	"a number that is none":                    {`{"type":"ping","requestId":"r","data":{"n":01}}`, ``},
	"an escape that is none":                   {`{"type":"ping","requestId":"r","data":"\x41"}`, ``},
	"nested deeper than anybody needs":         {`{"type":"ping","requestId":"r","data":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, ``},
	"no type":                                  {`{"requestId":"r"}`, `r`},
	"an empty type":                            {`{"type":"","requestId":"r"}`, `r`},
	"a type that is null":                      {`{"type":null,"requestId":"r"}`, `r`},
	"a type that is a number":                  {`{"type":1,"requestId":"r"}`, `r`},
	"a type that is an object":                 {`{"type":{},"requestId":"r"}`, `r`},
	"a type that is a list":                    {`{"type":["ping"],"requestId":"r"}`, `r`},
	"a type that is too long":                  {`{"type":"` + strings.Repeat("p", 65) + `","requestId":"r"}`, `r`},
	"a type in capitals":                       {`{"type":"PING","requestId":"r"}`, `r`},
	"a type that nobody knows":                 {`{"type":"make.coffee","requestId":"r"}`, `r`},
	"a type that only we send":                 {`{"type":"welcome","requestId":"r"}`, `r`},
	"a type that is an answer":                 {`{"type":"reply","requestId":"r","data":{}}`, `r`},
	"a type with NUL":                          {`{"type":"ping\u0000","requestId":"r"}`, `r`},
	"a type with half a surrogate":             {`{"type":"\ud800","requestId":"r"}`, `r`},
	"a field that nobody knows":                {`{"type":"ping","requestId":"r","token":"x"}`, `r`},
	"a field without a name":                   {`{"type":"ping","requestId":"r","":1}`, `r`},
	"names of fields in capitals":              {`{"Type":"ping","requestId":"r"}`, `r`},
	"a requestId in capitals":                  {`{"type":"ping","requestID":"r"}`, ``},
	"a requestId of both spellings":            {`{"type":"ping","requestId":"r","RequestId":"s"}`, `r`},
	"two types":                                {`{"type":"ping","type":"echo","requestId":"r"}`, `r`},
	"two requestIds":                           {`{"type":"ping","requestId":"r","requestId":"s"}`, ``},
	"two of the same requestId":                {`{"type":"ping","requestId":"r","requestId":"r"}`, ``},
	"a name that is escaped, twice":            {`{"type":"ping","requestId":"r","\u0074ype":"echo"}`, `r`},
	"data twice":                               {`{"type":"ping","requestId":"r","data":{},"data":{}}`, `r`},
	"a ping that asks for something":           {`{"type":"ping","requestId":"r","data":{"x":1}}`, `r`},
	"a ping whose data is no object":           {`{"type":"ping","requestId":"r","data":[]}`, `r`},
	"an empty requestId":                       {`{"type":"ping","requestId":""}`, ``},
	"a requestId that is null":                 {`{"type":"ping","requestId":null}`, ``},
	"a requestId that is a number":             {`{"type":"ping","requestId":1}`, ``},
	"a requestId that is a list":               {`{"type":"ping","requestId":["r"]}`, ``},
	"a requestId of 129 characters":            {`{"type":"ping","requestId":"` + strings.Repeat("r", 129) + `"}`, ``},
	"a requestId with a space":                 {`{"type":"ping","requestId":"r r"}`, ``},
	"a requestId with a line break":            {`{"type":"ping","requestId":"r\nlevel=ERROR"}`, ``},
	"a requestId with NUL":                     {`{"type":"ping","requestId":"r\u0000"}`, ``},
	"a requestId with a quote":                 {`{"type":"ping","requestId":"r\""}`, ``},
	"a requestId with markup":                  {`{"type":"ping","requestId":"<script>"}`, ``},
	"a requestId with a path":                  {`{"type":"ping","requestId":"../../etc"}`, ``},
	"a requestId in another alphabet":          {`{"type":"ping","requestId":"κόσμε"}`, ``},
	"a requestId with half a surrogate":        {`{"type":"ping","requestId":"\udc00"}`, ``},
	"a requestId whose letters only look like": {`{"type":"ping","requestId":"ｒ"}`, ``},
}

func TestWhatIsNoFrameIsRefusedAndTheSocketLives(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	for name, c := range badFrames {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := e.dial(t)
			w.write(frame(fin|opText, c[0]))
			require.Equal(t, refused(c[1], "validation_failed"), w.next())
			w.write(message("and only once"))
			w.hear(reply("and only once"))
		})
	}
}

func TestWhatIsAFrameIsAnswered(t *testing.T) {
	t.Parallel()
	e := newEcho(t, realtime.Limits{})
	long := strings.Repeat("aZ0._-", 30)[:128]
	for name, c := range map[string][2]string{
		"a ping":                           {`{"type":"ping","requestId":"r"}`, `reply r {}`},
		"a ping with empty data":           {`{"type":"ping","requestId":"r","data":{}}`, `reply r {}`},
		"fields in another order":          {`{"data":"x","requestId":"r","type":"echo"}`, `reply r x`},
		"space between everything":         {" \t\r\n{ \"type\" : \"ping\" , \"requestId\" : \"r\" } \r\n", `reply r {}`},
		"escaped letters":                  {`{"type":"\u0070ing","requestId":"\u0072"}`, `reply r {}`},
		"an escaped name":                  {`{"\u0074ype":"ping","requestId":"r"}`, `reply r {}`},
		"the longest requestId":            {`{"type":"ping","requestId":"` + long + `"}`, "reply " + long + " {}"},
		"a fault of ours":                  {`{"type":"fault","requestId":"r"}`, refused("r", "internal")},
		"a panic of ours":                  {`{"type":"panic","requestId":"r"}`, refused("r", "internal")},
		"a fault of ours, nobody asked":    {`{"type":"fault"}`, refused("", "internal")},
		"a panic of ours, nobody asked":    {`{"type":"panic"}`, refused("", "internal")},
		"an unknown type, nobody asked":    {`{"type":"make.coffee"}`, refused("", "validation_failed")},
		"data that looks like an envelope": {`{"type":"echo","requestId":"r","data":"{\"type\":\"error\"}"}`, `reply r {"type":"error"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := e.dial(t)
			w.write(frame(fin|opText, c[0]))
			require.Equal(t, c[1], w.next())
			w.write(message("and only once"))
			w.hear(reply("and only once"))
		})
	}
}

func TestAFrameWithoutARequestIDGetsNoReply(t *testing.T) {
	t.Parallel()
	w := newEcho(t, realtime.Limits{}).dial(t)
	w.write(frame(fin|opText, `{"type":"ping"}`))
	w.write(frame(fin|opText, `{"type":"echo","data":"x"}`))
	w.write(message("the first answer"))
	w.hear(reply("the first answer"))
}
