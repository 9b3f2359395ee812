# Runs where the provider's plugin is, and in `./scripts/test --stage terraform` with a stand-in that serves its schema.
mock_provider "aws" {}

mock_provider "cloudamqp" {
  mock_resource "cloudamqp_vpc" {
    defaults = { id = "77" }
  }
  mock_resource "cloudamqp_instance" {
    defaults = { id = "88", host = "host.rmq.cloudamqp.com", host_internal = "host.in.rmq.cloudamqp.com", vhost = "vhost", url = "amqps://admin:secret@host.rmq.cloudamqp.com/vhost" }
  }
  mock_resource "cloudamqp_notification" {
    defaults = { id = "99" }
  }
}

variables {
  name         = "test"
  region       = "eu-west-1"
  alarm_emails = ["on-call@example.com"]
  network = {
    vpc_id                    = "vpc-1"
    cidr                      = "10.40.0.0/16"
    subnet_ids                = ["subnet-a", "subnet-b", "subnet-c"]
    route_table_ids           = { a = "rtb-a", b = "rtb-b", c = "rtb-c" }
    workers_security_group_id = "sg-workers"
    account_id                = "111122223333"
  }
}

run "three_nodes_in_a_vpc_of_their_own" {
  assert {
    condition     = cloudamqp_instance.this.plan == "lynx-3" && cloudamqp_instance.this.vpc_id == 77 && cloudamqp_instance.this.keep_associated_vpc
    error_message = "the broker must have three nodes in its own VPC"
  }
  assert {
    condition     = cloudamqp_instance.this.region == "amazon-web-services::eu-west-1" && cloudamqp_vpc.this.subnet == "10.56.72.0/24"
    error_message = "the broker must be in the region of the workers"
  }
}

run "only_our_range_is_admitted" {
  assert {
    condition     = length(cloudamqp_security_firewall.this.rules) == 1 && one(cloudamqp_security_firewall.this.rules).ip == "10.40.0.0/16"
    error_message = "the firewall must admit our VPC's range and nobody else"
  }
  assert {
    condition     = one(cloudamqp_security_firewall.this.rules).services == tolist(["AMQPS", "HTTPS"]) && length(one(cloudamqp_security_firewall.this.rules).ports) == 0
    error_message = "the firewall must admit AMQP over TLS and HTTPS only"
  }
}

run "peering_is_accepted_and_routed_both_ways" {
  assert {
    condition     = one(cloudamqp_vpc_peering.this).peering_id == module.peering[0].id && one(cloudamqp_vpc_peering.this).vpc_id == cloudamqp_vpc.this.id
    error_message = "the way back: CloudAMQP must accept our peering, which routes our range to us"
  }
  assert {
    condition     = one(cloudamqp_security_firewall.this.rules).ip == var.network.cidr
    error_message = "what comes by the peering has our addresses: the firewall must admit them"
  }
  assert {
    condition     = output.host == "host.in.rmq.cloudamqp.com"
    error_message = "by peering the broker must be called by its private name"
  }
  assert {
    condition     = length(aws_vpc_endpoint.this) == 0
    error_message = "there must be no endpoint beside a peering"
  }
}

run "privatelink_instead_of_peering" {
  variables {
    connection = "privatelink"
  }

  assert {
    condition     = length(module.peering) == 0 && length(cloudamqp_vpc_peering.this) == 0
    error_message = "there must be no peering beside PrivateLink"
  }
  assert {
    condition     = one(aws_vpc_endpoint.this).private_dns_enabled && one(aws_vpc_endpoint.this).subnet_ids == toset(var.network.subnet_ids) && one(aws_vpc_endpoint.this).security_group_ids == toset([one(aws_security_group.endpoint).id])
    error_message = "the broker must have an address in each subnet, behind its own group"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.endpoint : rule.referenced_security_group_id == "sg-workers" && rule.cidr_ipv4 == null]) && toset([for rule in aws_vpc_security_group_ingress_rule.endpoint : rule.from_port]) == toset([5671, 443])
    error_message = "only workers may come to the endpoint"
  }
  assert {
    condition     = one(cloudamqp_vpc_connect.this).allowed_principals == tolist(["arn:aws:iam::111122223333:root"])
    error_message = "only our account may connect"
  }
  assert {
    condition     = one(cloudamqp_security_firewall.this.rules).ip == "10.56.72.0/24"
    error_message = "what comes by PrivateLink has addresses of the broker's own VPC"
  }
}

run "somebody_is_told" {
  assert {
    condition     = alltrue([for alarm in cloudamqp_alarm.this : alarm.enabled && alarm.recipients == tolist([99])])
    error_message = "each alarm must be on and have a recipient"
  }
  assert {
    condition     = cloudamqp_alarm.this["backlog"].queue_regex == "^tallyman\\.shard\\.[0-9]{3}$" && cloudamqp_alarm.this["backlog"].message_type == "ready"
    error_message = "what is behind is what is ready; what consumers hold, they hold on purpose"
  }
}

run "what_cannot_be_is_refused" {
  command = plan
  variables {
    name                   = "X"
    region                 = "here"
    size                   = "lemming"
    nodes                  = 2
    cidr                   = "10.56.0.0/16"
    connection             = "public"
    alarm_emails           = []
    backlog_alarm_messages = 0
  }
  expect_failures = [
    var.name, var.region, var.size, var.nodes, var.cidr, var.connection, var.alarm_emails, var.backlog_alarm_messages,
  ]
}
