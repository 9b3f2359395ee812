# LavinMQ at CloudAMQP, in a VPC of its own that only ours can reach. The firewall admits AMQP over TLS, and HTTPS for definitions,
# from our range alone; there is no other way in.

locals {
  region     = "amazon-web-services::${var.region}"
  is_peering = var.connection == "peering"
  pattern    = replace(var.namespace, ".", "\\.")
}

resource "cloudamqp_vpc" "this" {
  name   = var.name
  region = local.region
  subnet = var.cidr
  tags   = [var.name]
}

resource "cloudamqp_instance" "this" {
  name                = var.name
  plan                = "${var.size}-${var.nodes}"
  region              = local.region
  vpc_id              = cloudamqp_vpc.this.id
  keep_associated_vpc = true
  no_default_alarms   = true
  tags                = [var.name]
}

resource "cloudamqp_security_firewall" "this" {
  instance_id = cloudamqp_instance.this.id

  rules {
    # Calls that come by PrivateLink have addresses of the broker's own VPC.
    ip          = local.is_peering ? var.network.cidr : var.cidr
    ports       = []
    services    = ["AMQPS", "HTTPS"]
    description = "${var.name} workers by ${var.connection}"
  }
}

# What CloudAMQP is asked to tell, beside what Tallyman's own metrics do. It makes the alarm `notice` by itself; LavinMQ has one leader
# and no netsplit.
resource "cloudamqp_notification" "email" {
  for_each    = toset(var.alarm_emails)
  instance_id = cloudamqp_instance.this.id
  type        = "email"
  value       = each.key
  name        = each.key
}

locals {
  alarms = {
    cpu     = { type = "cpu", value = 80, seconds = 600 }
    memory  = { type = "memory", value = 85, seconds = 600 }
    disk    = { type = "disk", value = 20, seconds = 300, calculation = "percentage" }
    down    = { type = "server_unreachable", value = null, seconds = 60 }
    backlog = { type = "queue", value = var.backlog_alarm_messages, seconds = 900, queues = "^${local.pattern}\\.shard\\.[0-9]{3}$", message = "ready" }
    dead    = { type = "queue", value = 1, seconds = 60, queues = "^${local.pattern}\\.dead$", message = "ready" }
  }
}

resource "cloudamqp_alarm" "this" {
  for_each          = local.alarms
  instance_id       = cloudamqp_instance.this.id
  type              = each.value.type
  enabled           = true
  value_threshold   = each.value.value
  time_threshold    = each.value.seconds
  value_calculation = try(each.value.calculation, null)
  queue_regex       = try(each.value.queues, null)
  vhost_regex       = try(each.value.queues, null) == null ? null : ".*"
  message_type      = try(each.value.message, null)
  recipients        = [for recipient in cloudamqp_notification.email : recipient.id]
}
