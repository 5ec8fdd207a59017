import java.net.URL;
import riv.itintegration.engagementindex._1.EngagementTransactionType;
import riv.itintegration.engagementindex._1.EngagementType;
import riv.itintegration.engagementindex.processnotification._1.rivtabp21.ProcessNotificationResponderInterface;
import riv.itintegration.engagementindex.processnotification._1.rivtabp21.ProcessNotificationResponderService;
import riv.itintegration.engagementindex.processnotificationresponder._1.ProcessNotificationType;

/** Sends one engagement, then the same and one without a source system, and prints both answers. */
public class Call {
  public static void main(String[] arguments) throws Exception {
    var service = new ProcessNotificationResponderService(new URL(arguments[0]));
    var gateway = service.getPort(ProcessNotificationResponderInterface.class);
    var request = new ProcessNotificationType();
    for (var sourceSystem : new String[] {"SE2321000016-1HZ3", " "}) {
      request.getEngagementTransaction().add(transactionFrom(sourceSystem));
      var answer = gateway.processNotification(arguments[1], request);
      System.out.println("answer: " + answer.getResultCode() + " " + answer.getComment());
    }
  }

  private static EngagementTransactionType transactionFrom(String sourceSystem) {
    var engagement = new EngagementType();
    engagement.setRegisteredResidentIdentification("191212121212");
    engagement.setServiceDomain("riv:crm:scheduling");
    engagement.setCategorization("NA");
    engagement.setLogicalAddress("SE2321000016-1HZ5");
    engagement.setBusinessObjectInstanceIdentifier("from-java");
    engagement.setClinicalProcessInterestId("NA");
    engagement.setMostRecentContent("20271203090000");
    engagement.setSourceSystem(sourceSystem);
    engagement.setDataController("SE2321000016");
    engagement.setOwner("SE165565594230-1000");
    var transaction = new EngagementTransactionType();
    transaction.setEngagement(engagement);
    return transaction;
  }
}
