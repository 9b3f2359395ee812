# Who may reach whom. Groups admit groups; no rule admits a range of addresses.
#
#   workers ──5671──▶ broker      workers, broker ──443──▶ endpoints
#   workers ──6379──▶ redis       workers, broker ──443──▶ outside (Stripe, images, packages), through NAT
#                                 broker ──80──▶ outside (Ubuntu's packages, which are signed and not served by HTTPS)

locals {
  groups = {
    workers   = "Nodes and pods that run Tallyman. Being in this group is what admits to broker and Redis."
    broker    = "LavinMQ: AMQP over TLS, from workers only."
    redis     = "MemoryDB: Redis over TLS, from workers only."
    endpoints = "AWS services inside the VPC."
  }
  amqps = 5671
  redis = 6379
  https = 443
  ways = {
    "workers to broker"    = { from = "workers", to = "broker", port = local.amqps }
    "workers to redis"     = { from = "workers", to = "redis", port = local.redis }
    "workers to endpoints" = { from = "workers", to = "endpoints", port = local.https }
    "broker to endpoints"  = { from = "broker", to = "endpoints", port = local.https }
  }
  group_ids = {
    workers   = aws_security_group.workers.id
    broker    = aws_security_group.broker.id
    redis     = aws_security_group.redis.id
    endpoints = aws_security_group.endpoints.id
  }
}

resource "aws_security_group" "workers" {
  name        = "${var.name}-workers"
  description = local.groups.workers
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name} workers" }
}

resource "aws_security_group" "broker" {
  name        = "${var.name}-broker"
  description = local.groups.broker
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name} broker" }
}

resource "aws_security_group" "redis" {
  name        = "${var.name}-redis"
  description = local.groups.redis
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name} redis" }
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = local.groups.endpoints
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name} endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "way" {
  for_each                     = local.ways
  security_group_id            = local.group_ids[each.value.to]
  referenced_security_group_id = local.group_ids[each.value.from]
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = each.key
}

resource "aws_vpc_security_group_egress_rule" "way" {
  for_each                     = local.ways
  security_group_id            = local.group_ids[each.value.from]
  referenced_security_group_id = local.group_ids[each.value.to]
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
  description                  = each.key
}

locals {
  ways_out = {
    "workers to HTTPS outside" = { from = "workers", port = local.https }
    "broker to HTTPS outside"  = { from = "broker", port = local.https }
    "broker to packages"       = { from = "broker", port = 80 }
  }
}

resource "aws_vpc_security_group_egress_rule" "outside" {
  for_each          = local.ways_out
  security_group_id = local.group_ids[each.value.from]
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  description       = "${each.key}, through NAT"
}
