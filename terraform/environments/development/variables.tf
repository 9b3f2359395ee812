variable "region" {
  description = "AWS region."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region of AWS, such as eu-west-1."
  }
}

variable "name" {
  description = "Prefix of everything's name."
  type        = string
  default     = "tallyman-dev"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name may be 2 to 24 lower-case letters, digits and dashes, beginning with a letter."
  }
}

variable "namespace" {
  description = "TALLYMAN_NAMESPACE of the cluster."
  type        = string
  default     = "tallyman"
  nullable    = false
}

variable "cidr" {
  description = "Range of the VPC."
  type        = string
  default     = "10.41.0.0/16"
  nullable    = false
}

variable "operator_cidrs" {
  description = "Ranges that may call the Kubernetes API, such as yours: [\"203.0.113.7/32\"]."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "kubernetes" {
  description = "Make a Kubernetes cluster as well."
  type        = bool
  default     = true
  nullable    = false
}

variable "password_version" {
  description = "Another number makes new passwords."
  type        = number
  default     = 1
  nullable    = false
}

variable "restore" {
  description = "Snapshots to start from instead of nothing: of the broker's disk, of the journal."
  type        = object({ broker_snapshot_id = optional(string), redis_snapshot_name = optional(string) })
  default     = {}
  nullable    = false
}
