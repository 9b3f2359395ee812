variable "name" {
  description = "Prefix of everything's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name may be 2 to 24 lower-case letters, digits and dashes, beginning with a letter."
  }
}

variable "cidr" {
  description = "Range of the VPC. Half of it is for pods and nodes, in three parts."
  type        = string
  default     = "10.40.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && can(regex("/(1[6-9]|20)$", var.cidr))
    error_message = "cidr must be an IPv4 range between /16 and /20, such as 10.40.0.0/16."
  }
  validation {
    condition     = can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", var.cidr))
    error_message = "cidr must be private (10/8, 172.16/12 or 192.168/16)."
  }
}

variable "zones" {
  description = "Three availability zones."
  type        = list(string)

  validation {
    condition     = length(var.zones) == 3 && length(distinct(var.zones)) == 3
    error_message = "zones must be three different availability zones: a zone that fails must leave a majority."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone (production), or one for all three (cheaper: its zone failing stops the way to Stripe)."
  type        = bool
  default     = true
  nullable    = false
}

variable "log_retention_days" {
  description = "How long the VPC's flow logs are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 180, 365], var.log_retention_days)
    error_message = "log_retention_days may be 1, 3, 5, 7, 14, 30, 60, 90, 180 or 365, as CloudWatch takes it."
  }
}

variable "kms_key_arn" {
  description = "Key that the flow logs are encrypted with."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}
