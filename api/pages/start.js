// Shows the contract. A file of its own, so that the page needs no inline script.
window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  showCommonExtensions: true,
  showExtensions: true,
  // The badge would send the address of this document to validator.swagger.io.
  validatorUrl: null,
});
