mock_provider "aws" {
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:111122223333:log-group:flow" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/flow" }
  }
}

variables {
  name        = "tallyman-test"
  zones       = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
  kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1"
}

run "three_zones_each_with_a_way_out_of_its_own" {
  assert {
    condition     = toset([for subnet in aws_subnet.private : subnet.availability_zone]) == toset(var.zones)
    error_message = "there must be a private subnet in each of three zones"
  }
  assert {
    condition     = length(distinct([for subnet in concat(values(aws_subnet.private), values(aws_subnet.public)) : subnet.cidr_block])) == 6
    error_message = "subnets must have ranges of their own"
  }
  assert {
    condition     = alltrue([for subnet in concat(values(aws_subnet.private), values(aws_subnet.public)) : subnet.map_public_ip_on_launch == false])
    error_message = "no subnet may give public addresses"
  }
  assert {
    condition     = alltrue([for zone in var.zones : aws_route.nat[zone].nat_gateway_id == aws_nat_gateway.this[zone].id])
    error_message = "each zone must go out through its own NAT gateway"
  }
  assert {
    condition     = alltrue([for route in aws_route.nat : route.gateway_id == null]) && alltrue([for zone, association in aws_route_table_association.private : association.route_table_id == aws_route_table.private[zone].id])
    error_message = "private subnets must not have a route to the internet gateway"
  }
}

run "broker_and_redis_admit_workers_on_one_port" {
  assert {
    condition = {
      for rule in aws_vpc_security_group_ingress_rule.way : rule.description => [rule.security_group_id, rule.referenced_security_group_id, rule.from_port, rule.to_port, rule.ip_protocol] if rule.security_group_id == aws_security_group.broker.id
      } == {
      "workers to broker" = [aws_security_group.broker.id, aws_security_group.workers.id, 5671, 5671, "tcp"]
    }
    error_message = "the broker must admit workers on 5671 and nobody else"
  }
  assert {
    condition = {
      for rule in aws_vpc_security_group_ingress_rule.way : rule.description => [rule.security_group_id, rule.referenced_security_group_id, rule.from_port, rule.to_port, rule.ip_protocol] if rule.security_group_id == aws_security_group.redis.id
      } == {
      "workers to redis" = [aws_security_group.redis.id, aws_security_group.workers.id, 6379, 6379, "tcp"]
    }
    error_message = "Redis must admit workers on 6379 and nobody else"
  }
  assert {
    condition     = length([for rule in aws_vpc_security_group_ingress_rule.way : rule if rule.security_group_id == aws_security_group.workers.id]) == 0
    error_message = "nothing may come in to workers by this group"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.way : rule.cidr_ipv4 == null && rule.cidr_ipv6 == null && rule.prefix_list_id == null])
    error_message = "no rule may admit a range of addresses, 0.0.0.0/0 least of all"
  }
  assert {
    condition     = length(distinct(values(output.security_group_ids))) == 4
    error_message = "each group must be one of its own"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.outside : rule.from_port == rule.to_port && (rule.from_port == 443 || (rule.from_port == 80 && rule.security_group_id == aws_security_group.broker.id))])
    error_message = "only HTTPS may go outside, and the broker to Ubuntu's packages"
  }
}

run "aws_is_reached_inside_the_vpc" {
  assert {
    condition     = length(setsubtract(["secretsmanager", "ssm", "ecr.api", "ecr.dkr", "kms"], keys(aws_vpc_endpoint.interface))) == 0
    error_message = "secrets, sessions, images and keys must be reached through endpoints"
  }
  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled && endpoint.security_group_ids == toset([aws_security_group.endpoints.id])])
    error_message = "endpoints must be used by name and be closed to others"
  }
  assert {
    condition     = aws_vpc_endpoint.s3.route_table_ids == toset([for table in aws_route_table.private : table.id])
    error_message = "every private subnet must reach S3 by the endpoint"
  }
  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_cloudwatch_log_group.flow.kms_key_id == var.kms_key_arn
    error_message = "all traffic must be logged, encrypted"
  }
}

run "one_nat_gateway_for_all_zones" {
  variables {
    nat_per_zone = false
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && alltrue([for route in aws_route.nat : route.nat_gateway_id == aws_nat_gateway.this["eu-west-1a"].id])
    error_message = "without nat_per_zone all zones must share one"
  }
}

run "two_zones_are_refused" {
  command = plan
  variables {
    zones = ["eu-west-1a", "eu-west-1b"]
  }
  expect_failures = [var.zones]
}

run "one_zone_three_times_is_refused" {
  command = plan
  variables {
    zones = ["eu-west-1a", "eu-west-1a", "eu-west-1a"]
  }
  expect_failures = [var.zones]
}

run "a_public_range_is_refused" {
  command = plan
  variables {
    cidr = "52.0.0.0/16"
  }
  expect_failures = [var.cidr]
}

run "a_range_that_is_too_small_is_refused" {
  command = plan
  variables {
    cidr = "10.0.0.0/24"
  }
  expect_failures = [var.cidr]
}

run "a_long_name_is_refused" {
  command = plan
  variables {
    name = "Tallyman"
  }
  expect_failures = [var.name]
}

run "an_odd_retention_is_refused" {
  command = plan
  variables {
    log_retention_days = 31
  }
  expect_failures = [var.log_retention_days]
}

run "something_else_than_a_key_is_refused" {
  command = plan
  variables {
    kms_key_arn = "alias/aws/ebs"
  }
  expect_failures = [var.kms_key_arn]
}
