terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0, < 6.0.0"
    }
    cloudamqp = {
      source  = "cloudamqp/cloudamqp"
      version = ">= 1.44.0, < 2.0.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "tallyman", Environment = var.name }
  }
}

# The key comes from CLOUDAMQP_APIKEY.
provider "cloudamqp" {}
