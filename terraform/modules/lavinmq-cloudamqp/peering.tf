# Peering: we ask (modules/peering: the connection and our routes), CloudAMQP accepts and routes our range back.

data "cloudamqp_vpc_info" "this" {
  count  = local.is_peering ? 1 : 0
  vpc_id = cloudamqp_vpc.this.id
}

module "peering" {
  count                     = local.is_peering ? 1 : 0
  source                    = "../peering"
  name                      = var.name
  vpc_id                    = var.network.vpc_id
  route_table_ids           = var.network.route_table_ids
  workers_security_group_id = var.network.workers_security_group_id
  peer = {
    vpc_id   = data.cloudamqp_vpc_info.this[0].id
    owner_id = data.cloudamqp_vpc_info.this[0].owner_id
    region   = var.region
    cidr     = var.cidr
  }
}

resource "cloudamqp_vpc_peering" "this" {
  count      = local.is_peering ? 1 : 0
  vpc_id     = cloudamqp_vpc.this.id
  peering_id = module.peering[0].id
}
