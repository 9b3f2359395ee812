# Our half of a peering with the VPC of a broker that somebody else runs. The other half (accepting it, the route back to us, the
# broker's firewall) is theirs, and asked of their own provider.

resource "aws_vpc_peering_connection" "broker" {
  vpc_id        = var.vpc_id
  peer_vpc_id   = var.peer.vpc_id
  peer_owner_id = var.peer.owner_id
  peer_region   = var.peer.region
  tags          = { Name = "${var.name} broker" }
}

resource "aws_route" "to_broker" {
  for_each                  = var.route_table_ids
  route_table_id            = each.value
  destination_cidr_block    = var.peer.cidr
  vpc_peering_connection_id = aws_vpc_peering_connection.broker.id
}

resource "aws_vpc_security_group_egress_rule" "to_broker" {
  security_group_id = var.workers_security_group_id
  cidr_ipv4         = var.peer.cidr
  ip_protocol       = "tcp"
  from_port         = 5671
  to_port           = 5671
  description       = "workers to the broker, through the peering"
}
