# PrivateLink: an address of the broker in each of our subnets, behind a group of its own, under the broker's usual name.

resource "cloudamqp_vpc_connect" "this" {
  count              = local.is_peering ? 0 : 1
  instance_id        = cloudamqp_instance.this.id
  region             = local.region
  allowed_principals = ["arn:aws:iam::${var.network.account_id}:root"]
}

resource "aws_security_group" "endpoint" {
  count       = local.is_peering ? 0 : 1
  name        = "${var.name}-broker-endpoint"
  description = "CloudAMQP by PrivateLink, from workers only."
  vpc_id      = var.network.vpc_id
}

locals {
  endpoint_ports = local.is_peering ? {} : { amqps = 5671, https = 443 }
}

resource "aws_vpc_security_group_ingress_rule" "endpoint" {
  for_each                     = local.endpoint_ports
  security_group_id            = aws_security_group.endpoint[0].id
  referenced_security_group_id = var.network.workers_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  description                  = "workers to the broker, ${each.key}"
}

resource "aws_vpc_security_group_egress_rule" "workers" {
  for_each                     = local.endpoint_ports
  security_group_id            = var.network.workers_security_group_id
  referenced_security_group_id = aws_security_group.endpoint[0].id
  ip_protocol                  = "tcp"
  from_port                    = each.value
  to_port                      = each.value
  description                  = "workers to the broker, ${each.key}"
}

resource "aws_vpc_endpoint" "this" {
  count               = local.is_peering ? 0 : 1
  vpc_id              = var.network.vpc_id
  service_name        = cloudamqp_vpc_connect.this[0].service_name
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = var.network.subnet_ids
  security_group_ids  = [aws_security_group.endpoint[0].id]
}
