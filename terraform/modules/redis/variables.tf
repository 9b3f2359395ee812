variable "name" {
  description = "Prefix of everything's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,23}$", var.name))
    error_message = "name may be 2 to 24 lower-case letters, digits and dashes, beginning with a letter."
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

variable "security_group_id" {
  description = "The group `redis` of the network: it admits 6379 from workers only."
  type        = string

  validation {
    condition     = startswith(var.security_group_id, "sg-")
    error_message = "security_group_id must be the id of a security group (sg-...)."
  }
}

variable "access_string" {
  description = "Rights of the one user (output `redis_access_string` of modules/access)."
  type        = string

  validation {
    condition     = can(regex("^on ~[^ *]+:\\* -@all( \\+[a-z|]+)+$", var.access_string))
    error_message = "access_string must give single commands on the keys of one namespace, as modules/access makes it."
  }
}

variable "password" {
  description = "Password of the one user."
  type        = string
  sensitive   = true

  validation {
    condition     = can(regex("^[A-Za-z0-9]{16,128}$", var.password))
    error_message = "password must have 16 to 128 letters and digits."
  }
}

variable "kms_key_arn" {
  description = "Key that data and snapshots are encrypted with."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}

variable "node_type" {
  description = "Type of the nodes. The journal of 300,000 active keys and 16 million remembered ids takes about 2 GiB."
  type        = string
  default     = "db.r7g.large"
  nullable    = false

  validation {
    condition     = startswith(var.node_type, "db.")
    error_message = "node_type must be a MemoryDB type (db....)."
  }
}

variable "replicas" {
  description = "Replicas in other zones: with one or more, a failed node is replaced within seconds, and no acknowledged write is lost."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = contains([0, 1, 2, 3, 4, 5], var.replicas)
    error_message = "replicas must be from 0 to 5."
  }
}

variable "snapshot_name" {
  description = "Restore: snapshot that the cluster is made from. Read the README first: what was billed since, it does not know."
  type        = string
  default     = null

  validation {
    condition     = var.snapshot_name == null || can(regex("^[a-z][a-z0-9:.-]{0,254}$", var.snapshot_name))
    error_message = "snapshot_name must be the name of a MemoryDB snapshot."
  }
}

variable "snapshots_kept_days" {
  description = "How long the daily snapshots are kept."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.snapshots_kept_days >= 1 && var.snapshots_kept_days <= 35
    error_message = "snapshots_kept_days must be from 1 to 35: without a backup, dead and deferred entries could not be restored."
  }
}
