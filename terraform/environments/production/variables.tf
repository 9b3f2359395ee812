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
  default     = "tallyman"
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
  default     = "10.40.0.0/16"
  nullable    = false
}

variable "broker" {
  description = "Size of a node, number of nodes and way to the broker at CloudAMQP, and the range of its VPC."
  type = object({
    size       = optional(string, "lynx")
    nodes      = optional(number, 3)
    connection = optional(string, "peering")
    cidr       = optional(string, "10.56.72.0/24")
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.broker.nodes >= 3
    error_message = "broker.nodes must be 3 or 5 in production: one node lives in one zone. For one node see environments/development."
  }
}

variable "alarm_emails" {
  description = "Who is told when the broker is in trouble."
  type        = list(string)
}

variable "operator_cidrs" {
  description = "Ranges that may call the Kubernetes API. None: from inside the VPC only."
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

variable "redis_node_type" {
  description = "Type of the journal's nodes."
  type        = string
  default     = "db.r7g.large"
  nullable    = false
}

variable "password_version" {
  description = "Another number makes new passwords."
  type        = number
  default     = 1
  nullable    = false
}

variable "restore" {
  description = "Snapshot of the journal to start from instead of nothing."
  type        = object({ redis_snapshot_name = optional(string) })
  default     = {}
  nullable    = false
}
