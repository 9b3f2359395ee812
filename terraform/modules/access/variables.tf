variable "namespace" {
  description = "TALLYMAN_NAMESPACE of the cluster: prefix of exchange, queues and Redis keys."
  type        = string
  default     = "tallyman"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9._-]{0,63}$", var.namespace))
    error_message = "namespace may be 1 to 64 letters, digits, dots, dashes and underscores, beginning with a letter, as TALLYMAN_NAMESPACE."
  }
}

variable "vhost" {
  description = "Virtual host of the broker that the rights are given on."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = length(var.vhost) > 0
    error_message = "vhost must not be empty; the broker's own is \"/\"."
  }
}

variable "password_version" {
  description = "Another number makes new passwords for every user."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.password_version >= 1 && floor(var.password_version) == var.password_version
    error_message = "password_version must be a whole number from 1."
  }
}
