output "id" {
  description = "Of the peering connection, for the other side to accept."
  value       = aws_vpc_peering_connection.broker.id
}
