package fieldgate

import "embed"

// Files holds the documents of the repository that the gateway serves beside the guides, and the files
// for deployments to which they refer, so that they can be read where no other host can be reached.
//
//go:embed README.md CHANGELOG.md SECURITY.md ARCHITECTURE.md LICENSE
//go:embed cmd/fieldgate-agent/README.md cmd/fieldgate-agent/commandtypes.json
//go:embed cmd/fieldgate-load/README.md cmd/fieldgate-load/scenarios
//go:embed docs/performance.md docs/guarantees.md docs/adr/*.md clients/typescript/README.md
//go:embed deploy/redis.acl deploy/compose deploy/dashboards deploy/ecs deploy/helm deploy/prometheus deploy/terraform
//go:embed deploy/image/Dockerfile deploy/packages/fieldgate.service
var Files embed.FS
