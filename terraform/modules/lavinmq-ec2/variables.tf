variable "name" {
  description = "Prefix of everything's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name may be 2 to 24 lower-case letters, digits and dashes, beginning with a letter."
  }
}

variable "vpc_id" {
  description = "Where the broker's name is known."
  type        = string

  validation {
    condition     = startswith(var.vpc_id, "vpc-")
    error_message = "vpc_id must be the id of a VPC (vpc-...)."
  }
}

variable "subnet" {
  description = "Private subnet of the broker, with its zone: the disk is in the same one."
  type        = object({ id = string, zone = string })

  validation {
    condition     = startswith(var.subnet.id, "subnet-") && length(var.subnet.zone) > 0
    error_message = "subnet must name a subnet (subnet-...) and its zone."
  }
}

variable "security_group_id" {
  description = "The group `broker` of the network: it admits 5671 from workers only."
  type        = string

  validation {
    condition     = startswith(var.security_group_id, "sg-")
    error_message = "security_group_id must be the id of a security group (sg-...)."
  }
}

variable "hostname" {
  description = "The broker's name inside the VPC; its certificate is for this name."
  type        = string
  default     = "broker.tallyman.internal"
  nullable    = false

  validation {
    condition     = can(regex("^([a-z0-9-]+\\.)+internal$", var.hostname))
    error_message = "hostname must end in .internal, so that it is nobody's name outside."
  }
}

variable "definitions" {
  description = "Users and rights as JSON (output `definitions` of modules/access)."
  type        = string
  sensitive   = true

  validation {
    condition     = can(jsondecode(var.definitions).users) && can(jsondecode(var.definitions).permissions)
    error_message = "definitions must be JSON with users and permissions."
  }
}

variable "operator_password_hash" {
  description = "Of the broker's own administrator, which takes the place of guest (output of modules/access)."
  type        = string
  sensitive   = true

  validation {
    condition     = can(regex("^[A-Za-z0-9+/]{48}$", var.operator_password_hash))
    error_message = "operator_password_hash must be a hash as `lavinmqctl hash_password` makes it (48 characters of base64)."
  }
}

variable "kms_key_arn" {
  description = "Key for disks, snapshots and the secret."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}

variable "lavinmq_version" {
  description = "Version of LavinMQ's package."
  type        = string
  default     = "2.9.1"
  nullable    = false

  validation {
    condition     = can(regex("^(2\\.9\\.[1-9][0-9]*|2\\.[1-9][0-9]+\\.[0-9]+|[3-9]\\.[0-9]+\\.[0-9]+)$", var.lavinmq_version))
    error_message = "lavinmq_version must be 2.9.1 or newer: older ones confirm messages before they are on disk."
  }
}

variable "ami_id" {
  description = "Image of the instance: Ubuntu 24.04, or one made from it that has LavinMQ already. Default: the newest Ubuntu 24.04."
  type        = string
  default     = null

  validation {
    condition     = var.ami_id == null || can(regex("^ami-", var.ami_id))
    error_message = "ami_id must be the id of an image (ami-...)."
  }
}

variable "instance_type" {
  description = "Type of the instance, x86-64."
  type        = string
  default     = "m7i.large"
  nullable    = false

  validation {
    condition     = !can(regex("^(t[0-9]|[a-z][0-9]+g)", var.instance_type))
    error_message = "instance_type must be x86-64 and not burstable (t...): a broker out of CPU credits stops confirming."
  }
}

variable "data_gib" {
  description = "Size of the disk that messages are kept on."
  type        = number
  default     = 100
  nullable    = false

  validation {
    condition     = var.data_gib >= 20 && var.data_gib <= 16384
    error_message = "data_gib must be from 20 to 16384: the backlog of a day's outage has to fit."
  }
}

variable "data_iops" {
  description = "I/O operations per second of that disk: every confirm is a sync."
  type        = number
  default     = 6000
  nullable    = false

  validation {
    condition     = var.data_iops >= 3000 && var.data_iops <= 16000
    error_message = "data_iops must be from 3000 to 16000 (gp3)."
  }
}

variable "snapshot_id" {
  description = "Restore: snapshot that the disk is made from."
  type        = string
  default     = null

  validation {
    condition     = var.snapshot_id == null || can(regex("^snap-", var.snapshot_id))
    error_message = "snapshot_id must be the id of a snapshot (snap-...)."
  }
}

variable "snapshot_interval_hours" {
  description = "How often the disk is backed up."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains([1, 2, 3, 4, 6, 8, 12, 24], var.snapshot_interval_hours)
    error_message = "snapshot_interval_hours may be 1, 2, 3, 4, 6, 8, 12 or 24."
  }
}

variable "snapshots_kept" {
  description = "How many backups are kept."
  type        = number
  default     = 48
  nullable    = false

  validation {
    condition     = var.snapshots_kept >= 2 && var.snapshots_kept <= 1000
    error_message = "snapshots_kept must be from 2 to 1000: the newest may be the broken one."
  }
}

variable "protected" {
  description = "Refuse to terminate the instance."
  type        = bool
  default     = true
  nullable    = false
}
