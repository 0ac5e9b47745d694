provider "aws" {
  region = var.region
}

locals {
  # The same file as for `aws ecs register-task-definition`.
  task = jsondecode(templatefile("${path.module}/../ecs/task-definition.json", {
    image                 = var.image
    region                = var.region
    supabase_url          = var.supabase_url
    trusted_proxies       = join(",", [for subnet in data.aws_subnet.public : subnet.cidr_block])
    execution_role_arn    = aws_iam_role.execution.arn
    redis_url_secret_arn  = aws_secretsmanager_secret.redis_url.arn
    record_key_secret_arn = aws_secretsmanager_secret.record_key.arn
    log_group             = aws_cloudwatch_log_group.this.name
  }))
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.name}"
  retention_in_days = 30
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
  }
}

# The role that starts the task. The gateway itself has no role: it calls nothing of AWS.
resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy_attachment" "execution" {
  role       = aws_iam_role.execution.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
}

data "aws_iam_policy_document" "secrets" {
  statement {
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.redis_url.arn, aws_secretsmanager_secret.record_key.arn]
  }
}

resource "aws_iam_role_policy" "secrets" {
  name   = "secrets"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.secrets.json
}

resource "aws_security_group" "gateway" {
  name   = "${var.name}-gateway"
  vpc_id = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "from_balancer" {
  for_each                     = { api = 8080, health = 9090 }
  security_group_id            = aws_security_group.gateway.id
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
}

resource "aws_vpc_security_group_egress_rule" "gateway" {
  for_each          = { https = 443, redis = 6379 }
  security_group_id = aws_security_group.gateway.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}

resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = local.task.requiresCompatibilities
  network_mode             = local.task.networkMode
  cpu                      = local.task.cpu
  memory                   = local.task.memory
  execution_role_arn       = local.task.executionRoleArn
  container_definitions    = jsonencode(local.task.containerDefinitions)

  runtime_platform {
    cpu_architecture        = local.task.runtimePlatform.cpuArchitecture
    operating_system_family = local.task.runtimePlatform.operatingSystemFamily
  }
}

resource "aws_ecs_service" "this" {
  name                               = var.name
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.this.arn
  desired_count                      = var.instances
  launch_type                        = "FARGATE"
  deployment_minimum_healthy_percent = 100 # a new task is ready before an old one stops
  deployment_maximum_percent         = 150
  health_check_grace_period_seconds  = 60

  # An update whose tasks do not become ready is taken back.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets         = var.private_subnet_ids
    security_groups = [aws_security_group.gateway.id]
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = local.task.containerDefinitions[0].name
    container_port   = 8080
  }

  depends_on = [aws_lb_listener.https]
}

output "url_of_load_balancer" {
  description = "Name to which the domain of the certificate must lead."
  value       = aws_lb.this.dns_name
}
