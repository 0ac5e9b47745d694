# MemoryDB writes each change to a log across zones before it responds, so a failover loses no command that
# the gateway has accepted. All keys of a tenant are in one shard.

resource "random_password" "redis" {
  length  = 64
  special = false
}

resource "random_password" "record_key" {
  length  = 64
  special = false
}

resource "aws_memorydb_parameter_group" "this" {
  name   = var.name
  family = "memorydb_redis7"

  # Any other policy deletes commands. The gateway does not start with one.
  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}

# The rights are those of the user fieldgate in deploy/redis.acl.
resource "aws_memorydb_user" "gateway" {
  user_name     = "${var.name}-gateway"
  access_string = "on ${local.rights}"

  authentication_mode {
    type      = "password"
    passwords = [random_password.redis.result]
  }
}

locals {
  acl    = regex("(?m)^user fieldgate on #\\S+ (.*)$", file("${path.module}/../redis.acl"))
  rights = local.acl[0]
}

resource "aws_memorydb_acl" "this" {
  name       = var.name
  user_names = [aws_memorydb_user.gateway.user_name]
}

resource "aws_memorydb_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.private_subnet_ids
}

resource "aws_security_group" "redis" {
  name   = "${var.name}-redis"
  vpc_id = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "redis" {
  security_group_id            = aws_security_group.redis.id
  referenced_security_group_id = aws_security_group.gateway.id
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
}

resource "aws_memorydb_cluster" "this" {
  name                     = var.name
  node_type                = var.node_type
  engine                   = "redis"
  engine_version           = "7.1"
  num_shards               = 1
  num_replicas_per_shard   = 1
  acl_name                 = aws_memorydb_acl.this.name
  parameter_group_name     = aws_memorydb_parameter_group.this.name
  subnet_group_name        = aws_memorydb_subnet_group.this.name
  security_group_ids       = [aws_security_group.redis.id]
  tls_enabled              = true
  snapshot_retention_limit = 7
}

resource "aws_secretsmanager_secret" "redis_url" {
  name = "${var.name}/redis-url"
}

resource "aws_secretsmanager_secret_version" "redis_url" {
  secret_id = aws_secretsmanager_secret.redis_url.id
  secret_string = format("rediss+cluster://%s:%s@%s:%d", aws_memorydb_user.gateway.user_name, random_password.redis.result,
  aws_memorydb_cluster.this.cluster_endpoint[0].address, aws_memorydb_cluster.this.cluster_endpoint[0].port)
}

resource "aws_secretsmanager_secret" "record_key" {
  name = "${var.name}/record-key"
}

resource "aws_secretsmanager_secret_version" "record_key" {
  secret_id     = aws_secretsmanager_secret.record_key.id
  secret_string = random_password.record_key.result
}
