# An example, to be read and changed: the gateway on Amazon ECS with an Application Load Balancer and MemoryDB,
# in a VPC that exists. It was checked for its syntax only, and never applied. docs/guides/deploying.md explains it.
terraform {
  required_version = ">= 1.6"
  required_providers {
    aws    = { source = "hashicorp/aws", version = "~> 6.0" }
    random = { source = "hashicorp/random", version = "~> 3.6" }
  }
}
