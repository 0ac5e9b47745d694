package supabase_test

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"mime/quotedprintable"
	"net"
	"net/textproto"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mailServer accepts the mails that the project sends (RFC 5321), and keeps them.
type mailServer struct {
	port  string
	mails chan mail
}

// mail is a mail with its recipient, its text and the addresses in it.
type mail struct {
	to, text string
	links    []string
}

var link = regexp.MustCompile(`https?://[^\s"<>]+`)

func newMailServer(t testing.TB) *mailServer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	s := &mailServer{port: port, mails: make(chan mail, 100)}
	go s.accept(listener)
	return s
}

func (s *mailServer) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go s.serve(conn)
	}
}

// serve receives the mails of one connection.
func (s *mailServer) serve(conn net.Conn) {
	defer conn.Close()
	lines, received := textproto.NewReader(bufio.NewReader(conn)), mail{}
	reply := func(text string) { _, _ = fmt.Fprintf(conn, "%s\r\n", text) }
	reply("220 ready")
	for {
		line, err := lines.ReadLine()
		if err != nil {
			return
		}
		switch verb, argument, _ := strings.Cut(line, ":"); strings.ToUpper(verb) {
		case "RCPT TO":
			received.to = strings.Trim(strings.Fields(argument)[0], "<>")
			reply("250 ok")
		case "DATA":
			reply("354 go on")
			text, _ := io.ReadAll(quotedprintable.NewReader(lines.DotReader()))
			received.text, received.links = string(text), linksIn(string(text))
			s.mails <- received
			reply("250 ok")
		case "QUIT":
			reply("221 bye")
			return
		default:
			reply("250 ok")
		}
	}
}

// linksIn returns the addresses in a mail.
func linksIn(text string) (links []string) {
	for _, found := range link.FindAllString(text, -1) {
		links = append(links, html.UnescapeString(found))
	}
	return links
}

// next waits for the next mail, which must be for the recipient.
func (s *mailServer) next(t testing.TB, to string) mail {
	t.Helper()
	select {
	case received := <-s.mails:
		require.Equal(t, to, received.to)
		return received
	case <-t.Context().Done():
		require.Fail(t, "no mail arrived")
		return mail{}
	}
}
