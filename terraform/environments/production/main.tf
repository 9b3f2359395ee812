# For money: a broker of three nodes at CloudAMQP, a journal with two replicas, a NAT gateway per zone. Any one zone may fail.

data "aws_caller_identity" "current" {}

data "aws_availability_zones" "this" {
  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

module "key" {
  source = "../../modules/key"
  name   = var.name
}

module "network" {
  source      = "../../modules/network"
  name        = var.name
  cidr        = var.cidr
  zones       = slice(data.aws_availability_zones.this.names, 0, 3)
  kms_key_arn = module.key.arn
}

module "broker" {
  source       = "../../modules/lavinmq-cloudamqp"
  name         = var.name
  region       = var.region
  size         = var.broker.size
  nodes        = var.broker.nodes
  connection   = var.broker.connection
  cidr         = var.broker.cidr
  namespace    = var.namespace
  alarm_emails = var.alarm_emails
  network = {
    vpc_id                    = module.network.vpc_id
    cidr                      = module.network.cidr
    subnet_ids                = [for subnet in module.network.private_subnets : subnet.id]
    route_table_ids           = module.network.private_route_table_ids
    workers_security_group_id = module.network.security_group_ids["workers"]
    account_id                = data.aws_caller_identity.current.account_id
  }
}

module "access" {
  source           = "../../modules/access"
  namespace        = var.namespace
  vhost            = module.broker.vhost
  password_version = var.password_version
}

module "redis" {
  source            = "../../modules/redis"
  name              = var.name
  subnet_ids        = [for subnet in module.network.private_subnets : subnet.id]
  security_group_id = module.network.security_group_ids["redis"]
  access_string     = module.access.redis_access_string
  password          = module.access.redis_password
  kms_key_arn       = module.key.arn
  node_type         = var.redis_node_type
  replicas          = 2
  snapshot_name     = var.restore.redis_snapshot_name
}

module "kubernetes" {
  count                     = var.kubernetes ? 1 : 0
  source                    = "../../modules/kubernetes"
  name                      = var.name
  subnet_ids                = [for subnet in module.network.private_subnets : subnet.id]
  workers_security_group_id = module.network.security_group_ids["workers"]
  kms_key_arn               = module.key.arn
  operator_cidrs            = var.operator_cidrs
}
