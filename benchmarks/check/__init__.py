"""What ``fanin.check`` finds and costs, against what others find and a plain step costs."""
