# Passwords and rights need no provider: what has to be remembered is kept by terraform_data, which is built in.
terraform {
  required_version = ">= 1.11"
}
