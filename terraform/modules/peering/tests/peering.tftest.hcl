mock_provider "aws" {}

variables {
  name                      = "test"
  vpc_id                    = "vpc-1"
  route_table_ids           = { a = "rtb-a", b = "rtb-b", c = "rtb-c" }
  workers_security_group_id = "sg-workers"
  peer                      = { vpc_id = "vpc-2", owner_id = "444455556666", region = "eu-west-1", cidr = "10.56.72.0/24" }
}

run "every_zone_has_a_way_to_the_broker" {
  assert {
    condition     = toset([for route in aws_route.to_broker : route.route_table_id]) == toset(["rtb-a", "rtb-b", "rtb-c"])
    error_message = "each zone's route table must have a route"
  }
  assert {
    condition     = alltrue([for route in aws_route.to_broker : route.destination_cidr_block == "10.56.72.0/24" && route.vpc_peering_connection_id == aws_vpc_peering_connection.broker.id])
    error_message = "the route must lead through the peering to the broker's range, and only that"
  }
  assert {
    condition     = aws_vpc_peering_connection.broker.peer_vpc_id == "vpc-2" && aws_vpc_peering_connection.broker.peer_owner_id == "444455556666"
    error_message = "the peering must be with the broker's VPC"
  }
}

run "workers_may_go_there_on_one_port" {
  assert {
    condition     = aws_vpc_security_group_egress_rule.to_broker.from_port == 5671 && aws_vpc_security_group_egress_rule.to_broker.to_port == 5671 && aws_vpc_security_group_egress_rule.to_broker.cidr_ipv4 == "10.56.72.0/24"
    error_message = "workers must get out to the broker's range on 5671 only"
  }
}

run "what_cannot_be_is_refused" {
  command = plan
  variables {
    vpc_id                    = "1"
    route_table_ids           = { a = "rtb-a" }
    workers_security_group_id = "1"
    peer                      = { vpc_id = "vpc-2", owner_id = "444455556666", region = "eu-west-1", cidr = "here" }
  }
  expect_failures = [var.vpc_id, var.route_table_ids, var.workers_security_group_id, var.peer]
}
