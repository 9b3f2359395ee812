# Everything in one account, as small as it can be: one broker, one Redis node, one NAT gateway. Not for money: a zone that fails
# takes it along. Nothing that was acknowledged is lost with it, it waits until the zone is back.

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
  source       = "../../modules/network"
  name         = var.name
  cidr         = var.cidr
  zones        = slice(data.aws_availability_zones.this.names, 0, 3)
  nat_per_zone = false
  kms_key_arn  = module.key.arn
}

module "access" {
  source           = "../../modules/access"
  namespace        = var.namespace
  password_version = var.password_version
}

module "broker" {
  source                 = "../../modules/lavinmq-ec2"
  name                   = var.name
  vpc_id                 = module.network.vpc_id
  subnet                 = module.network.private_subnets[0]
  security_group_id      = module.network.security_group_ids["broker"]
  definitions            = module.access.definitions
  operator_password_hash = module.access.operator_password_hash
  kms_key_arn            = module.key.arn
  snapshot_id            = var.restore.broker_snapshot_id
  data_iops              = 3000
  protected              = false
}

module "redis" {
  source            = "../../modules/redis"
  name              = var.name
  subnet_ids        = [for subnet in module.network.private_subnets : subnet.id]
  security_group_id = module.network.security_group_ids["redis"]
  access_string     = module.access.redis_access_string
  password          = module.access.redis_password
  kms_key_arn       = module.key.arn
  node_type         = "db.t4g.medium"
  replicas          = 0
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
  nodes                     = { min = 2, max = 4 }
}
