// Shows the contract. A file of its own, so that the page needs no inline script. What is
// turned off here would call hosts of the maker of the renderer; the policy of the page
// would refuse it anyway.
Scalar.createApiReference("#reference", {
  url: "/openapi.json",
  withDefaultFonts: false,
  telemetry: false,
  proxyUrl: "",
  hideClientButton: true,
  showDeveloperTools: "never",
  agent: { disabled: true },
  mcp: { disabled: true },
  // A token is kept no longer than the page.
  persistAuth: false,
  defaultHttpClient: { targetKey: "shell", clientKey: "curl" },
  authentication: { preferredSecurityScheme: "customerJWT" },
});
