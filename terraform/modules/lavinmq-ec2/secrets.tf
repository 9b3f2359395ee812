# What the instance may know: hashes of passwords, never passwords. What it may tell: the certificate of its CA.

resource "aws_secretsmanager_secret" "definitions" {
  name_prefix = "${var.name}-broker-definitions-"
  description = "Users and rights of the broker, with hashes of their passwords."
  kms_key_id  = var.kms_key_arn
}

resource "aws_secretsmanager_secret_version" "definitions" {
  secret_id     = aws_secretsmanager_secret.definitions.id
  secret_string = jsonencode({ definitions = var.definitions, operator_password_hash = var.operator_password_hash })
}

resource "aws_ssm_parameter" "ca" {
  name        = "/tallyman/${var.name}/broker-ca"
  description = "Certificate of the broker's CA, written by the broker when it first starts."
  type        = "String"
  value       = "not written yet"

  lifecycle {
    ignore_changes = [value]
  }
}

data "aws_partition" "current" {}

resource "aws_iam_role" "broker" {
  name = "${var.name}-broker"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "broker" {
  name = "own-secret-and-ca"
  role = aws_iam_role.broker.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "secretsmanager:GetSecretValue", Resource = aws_secretsmanager_secret.definitions.arn },
      { Effect = "Allow", Action = "ssm:PutParameter", Resource = aws_ssm_parameter.ca.arn },
      { Effect = "Allow", Action = "kms:Decrypt", Resource = var.kms_key_arn },
    ]
  })
}

# Sessions instead of SSH: no key, no open port, every session logged.
resource "aws_iam_role_policy_attachment" "sessions" {
  role       = aws_iam_role.broker.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "broker" {
  name = "${var.name}-broker"
  role = aws_iam_role.broker.name
}
