variable "name" {
  description = "Name of this installation, which the names of all resources begin with."
  type        = string
  default     = "fieldgate"
}

variable "region" {
  description = "Region of AWS."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the installation."
  type        = string
}

variable "public_subnet_ids" {
  description = "Subnets of the load balancer, in at least two zones. The gateway trusts the X-Forwarded-For that comes from them, so nothing else may run in them."
  type        = list(string)
}

variable "private_subnet_ids" {
  description = "Subnets of the gateway and of MemoryDB, in at least two zones, with a way to the token issuer and to the image."
  type        = list(string)
}

variable "certificate_arn" {
  description = "Certificate of the load balancer."
  type        = string
}

variable "supabase_url" {
  description = "Supabase project whose users sign in."
  type        = string
}

variable "image" {
  description = "Image of the gateway, best with its digest."
  type        = string
  default     = "ghcr.io/fieldgate/fieldgate:1.1.0"
}

variable "instances" {
  description = "Number of gateways."
  type        = number
  default     = 2

  validation {
    condition     = var.instances >= 2
    error_message = "An update replaces one instance after the other: run at least two."
  }
}

variable "node_type" {
  description = "Node type of MemoryDB."
  type        = string
  default     = "db.r7g.large"
}
