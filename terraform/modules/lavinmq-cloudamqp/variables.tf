variable "name" {
  description = "Prefix of everything's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name may be 2 to 24 lower-case letters, digits and dashes, beginning with a letter."
  }
}

variable "region" {
  description = "AWS region of the workers, where the broker will be as well."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region of AWS, such as eu-west-1."
  }
}

variable "size" {
  description = "Size of a node: LavinMQ's plans at CloudAMQP, dedicated ones."
  type        = string
  default     = "lynx"
  nullable    = false

  validation {
    condition     = contains(["puffin", "penguin", "lynx", "wolverine", "reindeer", "bear", "orca"], var.size)
    error_message = "size may be puffin, penguin, lynx, wolverine, reindeer, bear or orca; the shared plans (lemming, ermine) have no private network."
  }
}

variable "nodes" {
  description = "Nodes: 1, or 3 or 5 in different zones."
  type        = number
  default     = 3
  nullable    = false

  validation {
    condition     = contains([1, 3, 5], var.nodes)
    error_message = "nodes may be 1, 3 or 5."
  }
}

variable "cidr" {
  description = "Range of the broker's own VPC; it must not overlap with ours."
  type        = string
  default     = "10.56.72.0/24"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/24")
    error_message = "cidr must be an IPv4 range of 256 addresses (/24), as CloudAMQP wants it."
  }
}

variable "connection" {
  description = "How workers reach the broker: `peering` of the two VPCs, or `privatelink` (ranges may overlap; the broker cannot call back)."
  type        = string
  default     = "peering"
  nullable    = false

  validation {
    condition     = contains(["peering", "privatelink"], var.connection)
    error_message = "connection may be peering or privatelink. There is no public one."
  }
}

variable "network" {
  description = "Our side (outputs of modules/network)."
  type = object({
    vpc_id                    = string
    cidr                      = string
    subnet_ids                = list(string)
    route_table_ids           = map(string)
    workers_security_group_id = string
    account_id                = string
  })

  validation {
    condition     = startswith(var.network.vpc_id, "vpc-") && length(var.network.subnet_ids) == 3 && can(cidrhost(var.network.cidr, 0))
    error_message = "network must name a VPC, its range and three subnets."
  }
}

variable "alarm_emails" {
  description = "Who is told when the broker is in trouble."
  type        = list(string)

  validation {
    condition     = length(var.alarm_emails) > 0 && alltrue([for email in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "alarm_emails must name one address at least: usage waits in the broker until somebody looks."
  }
}

variable "namespace" {
  description = "TALLYMAN_NAMESPACE, for alarms on its queues."
  type        = string
  default     = "tallyman"
  nullable    = false
}

variable "backlog_alarm_messages" {
  description = "Ready messages in one shard queue that somebody is told of."
  type        = number
  default     = 100000
  nullable    = false

  validation {
    condition     = var.backlog_alarm_messages > 0
    error_message = "backlog_alarm_messages must be above 0."
  }
}
