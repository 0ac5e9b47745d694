package supabase_test

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"html/template"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	texttemplate "text/template"
	"time"

	"github.com/stretchr/testify/require"
)

// companyDomain is the domain of the addresses of a company that has single sign-on.
const companyDomain = "company.example"

// samlProvider is the identity provider of a company (SAML 2.0). Its page lets users enter any address, and
// cancel.
type samlProvider struct {
	*httptest.Server
	key         *rsa.PrivateKey
	certificate string // base64
	t           testing.TB
}

// withSAML lets users of a company sign in. The project knows the company from the start.
func withSAML(t testing.TB) func(*project) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return func(p *project) {
		p.settings["GOTRUE_SAML_ENABLED"] = "true"
		p.settings["GOTRUE_SAML_PRIVATE_KEY"] = base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(key))
	}
}

// addCompany starts the identity provider of a company, and makes it known to the project.
func (p *project) addCompany() *samlProvider {
	p.t.Helper()
	s := newSAMLProvider(p.t)
	p.admin("POST", "/sso/providers", object{
		"type": "saml", "metadata_xml": s.metadata(), "domains": []string{companyDomain},
		"attribute_mapping": object{"keys": object{"customer_id": object{"name": "customer_id"}}},
	}, nil)
	return s
}

func newSAMLProvider(t testing.TB) *samlProvider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	certificate := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, &key.PublicKey, key)
	require.NoError(t, err)
	s := &samlProvider{key: key, certificate: base64.StdEncoding.EncodeToString(der), t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sso", s.ask)
	mux.HandleFunc("POST /sso", s.decide)
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func (s *samlProvider) metadata() string {
	return fmt.Sprintf(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="%[1]s">`+
		`<IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing">`+
		`<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>%[2]s</X509Certificate></X509Data></KeyInfo>`+
		`</KeyDescriptor><SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="%[1]s/sso"/>`+
		`</IDPSSODescriptor></EntityDescriptor>`, s.URL, s.certificate)
}

// samlRequest is the request of a project to sign a user in (SAML 2.0 Core, section 3.4.1).
type samlRequest struct {
	ID       string `xml:"ID,attr"`
	Consumer string `xml:"AssertionConsumerServiceURL,attr"`
	Issuer   string `xml:"Issuer"`
}

// readSAMLRequest reads the request from the address of the page (SAML 2.0 Bindings, section 3.4.4.1).
func readSAMLRequest(r *http.Request) (request samlRequest, err error) {
	compressed, err := base64.StdEncoding.DecodeString(r.URL.Query().Get("SAMLRequest"))
	if err != nil {
		return request, err
	}
	return request, xml.NewDecoder(flate.NewReader(bytes.NewReader(compressed))).Decode(&request)
}

var (
	samlPage = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><title>Company</title>
<form method="post"><label>Address <input name="email"></label>
<button name="decision" value="allow">Sign in</button> <button name="decision" value="deny">Cancel</button></form>`))
	samlReturn = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><title>Company</title>
<form method="post" action="{{.Consumer}}"><input type="hidden" name="SAMLResponse" value="{{.Response}}">
<input type="hidden" name="RelayState" value="{{.RelayState}}"></form><script>document.forms[0].submit()</script>`))
)

func (s *samlProvider) ask(w http.ResponseWriter, r *http.Request) {
	if _, err := readSAMLRequest(r); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_ = samlPage.Execute(w, nil)
}

// decide sends the browser back to the project, with an assertion about the user or with a failure (SAML 2.0
// Bindings, section 3.5).
func (s *samlProvider) decide(w http.ResponseWriter, r *http.Request) {
	request, err := readSAMLRequest(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	response := s.response(request, r.FormValue("email"), r.FormValue("decision") == "allow")
	_ = samlReturn.Execute(w, map[string]string{
		"Consumer": request.Consumer, "Response": base64.StdEncoding.EncodeToString([]byte(response)),
		"RelayState": r.URL.Query().Get("RelayState"),
	})
}

// samlFields are the values of the templates of a response.
type samlFields struct {
	Request              samlRequest
	Issuer, Email        string
	ID, Status           string
	Now, Before, After   string
	Signature, Assertion string
	Digest, Certificate  string
	SignedInfo, Signed   string
}

// response returns the response to a request: an assertion that the user has the address, or a failure.
func (s *samlProvider) response(request samlRequest, email string, isAllowed bool) string {
	now := time.Now().UTC()
	at := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339) }
	f := samlFields{
		Request: request, Issuer: s.URL, Email: email, ID: "_" + rand.Text(), Certificate: s.certificate,
		Now: at(0), Before: at(-time.Minute), After: at(5 * time.Minute), Status: "Responder",
	}
	if isAllowed {
		f.Status, f.Signature = "Success", s.signature(f)
		f.Assertion = s.fill(samlAssertion, f)
	}
	return s.fill(samlResponse, f)
}

// signature returns the enveloped signature of the assertion. The templates are in canonical form (Exclusive
// XML Canonicalization 1.0), so that their texts can be signed as they are.
func (s *samlProvider) signature(f samlFields) string {
	digest := sha256.Sum256([]byte(s.fill(samlAssertion, f)))
	f.Digest = base64.StdEncoding.EncodeToString(digest[:])
	f.SignedInfo = s.fill(samlSignedInfo, f)
	hash := sha256.Sum256([]byte(f.SignedInfo))
	signature, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, hash[:])
	require.NoError(s.t, err)
	f.Signed = base64.StdEncoding.EncodeToString(signature)
	return s.fill(samlSignature, f)
}

func (s *samlProvider) fill(template *texttemplate.Template, f samlFields) string {
	var text strings.Builder
	require.NoError(s.t, template.Execute(&text, f))
	return text.String()
}

// canonical parses a template of XML, and joins its lines.
func canonical(text string) *texttemplate.Template {
	return texttemplate.Must(texttemplate.New("").Parse(strings.ReplaceAll(text, "\n", "")))
}

var (
	samlResponse = canonical(`
<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" Destination="{{.Request.Consumer}}" ID="{{.ID}}r"
 InResponseTo="{{.Request.ID}}" IssueInstant="{{.Now}}" Version="2.0">
<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">{{.Issuer}}</saml:Issuer>
<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:{{.Status}}"></samlp:StatusCode></samlp:Status>
{{.Assertion}}
</samlp:Response>`)

	samlAssertion = canonical(`
<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="{{.ID}}" IssueInstant="{{.Now}}" Version="2.0">
<saml:Issuer>{{.Issuer}}</saml:Issuer>
{{.Signature}}
<saml:Subject>
<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{{.Email}}</saml:NameID>
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
<saml:SubjectConfirmationData InResponseTo="{{.Request.ID}}" NotOnOrAfter="{{.After}}" Recipient="{{.Request.Consumer}}"></saml:SubjectConfirmationData>
</saml:SubjectConfirmation>
</saml:Subject>
<saml:Conditions NotBefore="{{.Before}}" NotOnOrAfter="{{.After}}">
<saml:AudienceRestriction><saml:Audience>{{.Request.Issuer}}</saml:Audience></saml:AudienceRestriction>
</saml:Conditions>
<saml:AuthnStatement AuthnInstant="{{.Now}}" SessionIndex="{{.ID}}">
<saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext>
</saml:AuthnStatement>
<saml:AttributeStatement>
<saml:Attribute Name="email"><saml:AttributeValue>{{.Email}}</saml:AttributeValue></saml:Attribute>
<saml:Attribute Name="customer_id"><saml:AttributeValue>acme</saml:AttributeValue></saml:Attribute>
</saml:AttributeStatement>
</saml:Assertion>`)

	samlSignedInfo = canonical(`
<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">
<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:CanonicalizationMethod>
<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"></ds:SignatureMethod>
<ds:Reference URI="#{{.ID}}">
<ds:Transforms>
<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></ds:Transform>
<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform>
</ds:Transforms>
<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>
<ds:DigestValue>{{.Digest}}</ds:DigestValue>
</ds:Reference>
</ds:SignedInfo>`)

	samlSignature = canonical(`
<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">
{{.SignedInfo}}
<ds:SignatureValue>{{.Signed}}</ds:SignatureValue>
<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{{.Certificate}}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>
</ds:Signature>`)
)
