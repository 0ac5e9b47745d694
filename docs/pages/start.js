// Renders the contract. It is a separate file, because the Content-Security-Policy of the
// page allows no inline script. The disabled features would call hosts of the renderer's
// vendor, which the policy would block anyway.
Scalar.createApiReference("#reference", {
  url: "/openapi.json",
  withDefaultFonts: false,
  telemetry: false,
  proxyUrl: "",
  hideClientButton: true,
  showDeveloperTools: "never",
  agent: { disabled: true },
  mcp: { disabled: true },
  // The token is discarded when the page is closed.
  persistAuth: false,
  defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
  authentication: { preferredSecurityScheme: "customerJWT" },
});
