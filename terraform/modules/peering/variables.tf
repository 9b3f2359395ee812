variable "name" {
  description = "Prefix of everything's name."
  type        = string
}

variable "vpc_id" {
  description = "Our VPC."
  type        = string

  validation {
    condition     = startswith(var.vpc_id, "vpc-")
    error_message = "vpc_id must be the id of a VPC (vpc-...)."
  }
}

variable "route_table_ids" {
  description = "Of our private subnets, by zone: each of them needs a way to the broker."
  type        = map(string)

  validation {
    condition     = length(var.route_table_ids) == 3
    error_message = "route_table_ids must name the route table of each of three zones: a zone without one would not reach the broker."
  }
}

variable "workers_security_group_id" {
  description = "Those who may talk to the broker."
  type        = string

  validation {
    condition     = startswith(var.workers_security_group_id, "sg-")
    error_message = "workers_security_group_id must be the id of a security group (sg-...)."
  }
}

variable "peer" {
  description = "The broker's VPC: id, account, region and range."
  type        = object({ vpc_id = string, owner_id = string, region = string, cidr = string })

  validation {
    condition     = can(cidrhost(var.peer.cidr, 0))
    error_message = "peer.cidr must be an IPv4 range."
  }
}
