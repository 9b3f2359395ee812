variable "name" {
  description = "Prefix of everything's name."
  type        = string
}
