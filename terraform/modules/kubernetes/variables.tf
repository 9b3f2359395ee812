variable "name" {
  description = "Name of the cluster."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name may be 2 to 24 lower-case letters, digits and dashes, beginning with a letter."
  }
}

variable "kubernetes_version" {
  description = "Version of Kubernetes. Native sidecars need 1.29 or newer."
  type        = string
  default     = "1.32"
  nullable    = false

  validation {
    condition     = can(regex("^1\\.(29|[3-9][0-9])$", var.kubernetes_version))
    error_message = "kubernetes_version must be 1.29 or newer: sidecars that outlive their application need it."
  }
}

variable "subnet_ids" {
  description = "Private subnets in three zones."
  type        = list(string)

  validation {
    condition     = length(distinct(var.subnet_ids)) == 3
    error_message = "subnet_ids must be three different subnets, one per zone."
  }
}

variable "workers_security_group_id" {
  description = "The group `workers` of the network, which admits to broker and Redis."
  type        = string

  validation {
    condition     = startswith(var.workers_security_group_id, "sg-")
    error_message = "workers_security_group_id must be the id of a security group (sg-...)."
  }
}

variable "kms_key_arn" {
  description = "Key that Kubernetes' secrets are encrypted with."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}

variable "operator_cidrs" {
  description = "Ranges that may call the cluster's API from outside. None: from inside the VPC only."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for range in var.operator_cidrs : can(cidrhost(range, 0)) && !endswith(range, "/0")])
    error_message = "operator_cidrs must be IPv4 ranges, and not the whole internet."
  }
}

variable "instance_type" {
  description = "Type of the nodes."
  type        = string
  default     = "m7i.large"
  nullable    = false
}

variable "nodes" {
  description = "Fewest and most nodes."
  type        = object({ min = number, max = number })
  default     = { min = 3, max = 9 }
  nullable    = false

  validation {
    condition     = var.nodes.min >= 1 && var.nodes.max >= var.nodes.min
    error_message = "nodes.min must be at least 1, nodes.max at least nodes.min."
  }
}
